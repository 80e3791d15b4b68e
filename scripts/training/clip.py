"""Stage `clip`: the text encoder learns what captions mean before a denoiser has to guess it.

Contrastive training against a small image tower (Radford et al. 2021), where every scene of a batch
is compared with a
copy that differs in one thing only (colours swapped, nouns swapped, another ground), so that a bag of
words is not
enough (Yuksekgonul et al. 2023); and every noun's own embedding must say its thing's colour, size and number.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.loop import Stage
from scripts.training.text import TextSide
from scripts.training.tools.precision import mixed
from scripts.world.scene import Mixture, Scene, is_held_out, sample_scene
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUNS, RELATIONS
from scripts.world.vocabulary import SIZES as SIZE_WORDS

ATTRIBUTES = {"colour": len(COLOURS) + 1, "size": len(SIZE_WORDS) + 1, "count": 4, "noun": len(NOUNS)}
MIXTURE = Mixture(single=0.4, pair=0.45)
HELD_OUT_STEP = 10**9


class ImageTower(nn.Module):
    """Encodes 64x64 pictures to one vector, which keeps where things are."""

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3, 32), (32, 64), (64, 128), (128, 192)):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(8, after), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192 * 16, width))

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images)


class Heads(nn.Module):
    """Linear readers of the embeddings, used only in this stage."""

    def __init__(self, width: int):
        super().__init__()
        self.image = ImageTower(width)
        self.text = nn.Linear(width, width, bias=False)
        self.attributes = nn.ModuleDict({name: nn.Linear(width, size) for name, size in ATTRIBUTES.items()})
        self.log_scale = nn.Parameter(torch.tensor(2.66))


def clip_stage(config: TrainConfig, world: World, tokenizer_folder: Path) -> Stage:
    torch.manual_seed(config.seed)
    text = TextSide(config, tokenizer_folder, world.device)
    heads = Heads(config.text.width).to(world.device)

    def losses(step: int) -> tuple[Tensor, Tensor, float]:
        rng = np.random.default_rng([config.seed, 1, step])
        half = [sample_scene(rng, MIXTURE) for _ in range(config.text.stage.batch // 2)]
        scenes = [scene for original in half for scene in (original, changed(original, rng))]
        batch = world.compose(scenes, rng)
        ids = text.ids(batch.captions, full=False)
        with mixed(world.device):
            output = text.encoder(ids)
            words = F.normalize(heads.text(output.pooler_output).float(), dim=-1)
            sights = F.normalize(heads.image(batch.images).float(), dim=-1)
        logits = heads.log_scale.clamp(max=4.6).exp() * words @ sights.T
        same = torch.arange(len(scenes), device=world.device)
        contrast = (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
        accuracy = (logits.argmax(1) == same).float().mean().item()
        return (
            contrast,
            _attribute_loss(heads, output.last_hidden_state.float(), text.noun_positions(ids), scenes),
            accuracy,
        )

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        contrast, attributes, accuracy = losses(step)
        return contrast + attributes, {"attributes": attributes.item(), "accuracy": accuracy}

    def report(step: int) -> dict[str, float]:
        with torch.no_grad():
            _, attributes, accuracy = losses(HELD_OUT_STEP)
        return {"held_out_attributes": attributes.item(), "held_out_accuracy": accuracy}

    modules = {"encoder": text.encoder, "heads": heads}
    parameters = [parameter for module in modules.values() for parameter in module.parameters()]
    return Stage(
        name="clip",
        config=config.text.stage,
        groups=[(parameters, 1.0)],
        modules=modules,
        loss=loss,
        report=report,
    )


def _attribute_loss(
    heads: Heads, embeddings: Tensor, positions: list[list[tuple[int, int]]], scenes: list[Scene]
) -> Tensor:
    rows, columns, targets = [], [], {name: [] for name in ATTRIBUTES}
    for row, (scene, hits) in enumerate(zip(scenes, positions, strict=True)):
        for thing, (column, noun) in zip(scene.things, hits, strict=True):
            rows.append(row)
            columns.append(column)
            targets["colour"].append(list(COLOURS).index(thing.colour) if thing.colour else len(COLOURS))
            targets["size"].append(SIZE_WORDS.index(thing.size) if thing.size else len(SIZE_WORDS))
            targets["count"].append(thing.count - 1)
            targets["noun"].append(noun)
    chosen = embeddings[rows, columns]
    losses = [
        F.cross_entropy(heads.attributes[name](chosen), torch.tensor(targets[name], device=chosen.device))
        for name in ATTRIBUTES
    ]
    return torch.stack(losses).mean()


def changed(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with one thing different; the result is never a held-out scene."""
    while True:
        other = _change(scene, rng)
        if other != scene and not is_held_out(other):
            return other


def _change(scene: Scene, rng: np.random.Generator) -> Scene:
    things, which = list(scene.things), int(rng.integers(len(scene.things)))
    kind = ("swap", "move", "colour", "noun", "ground")[rng.integers(5)]
    if kind == "ground":
        return replace(scene, background=tuple(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))])
    if kind == "move":
        return replace(scene, relation=RELATIONS[rng.integers(4)]) if len(things) == 2 else scene
    if kind == "colour":
        things[which] = replace(things[which], colour=tuple(COLOURS)[rng.integers(len(COLOURS))])
    elif kind == "noun":
        noun = NOUNS[rng.integers(len(NOUNS))].word
        if noun in [thing.noun for thing in things]:
            return scene
        things[which] = replace(things[which], noun=noun)
    elif len(things) == 2:
        first, second = things
        things = [replace(first, colour=second.colour), replace(second, colour=first.colour)]
    return replace(scene, things=tuple(things))
