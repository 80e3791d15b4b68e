"""Stage `judge`: names one thing, its colour and its ground. It sees composed pictures only, never the
model's."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from scripts.training import checkpoint
from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.loop import Stage
from scripts.world.composer import PIXELS
from scripts.world.scene import Mixture, Scene, Thing, sample_scene
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUN_INDEX, NOUNS

MIXTURE = Mixture(single=0.6, pair=0.4, background_named=1.0)
HELD_OUT = Mixture(single=0.6, pair=0.4, background_named=1.0, held_out=True)
COLOUR_NAMES, GROUND_NAMES = tuple(COLOURS), tuple(BACKGROUNDS)
NO_COLOUR = -100
_HALVES = {
    "left": (np.s_[:, :32], np.s_[:, 32:]),
    "right": (np.s_[:, 32:], np.s_[:, :32]),
    "above": (np.s_[:32], np.s_[32:]),
    "below": (np.s_[32:], np.s_[:32]),
}


class Judge(nn.Module):
    """Logits of noun, colour and ground for pictures of one thing, -1..1."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 32, 2), (32, 64, 2), (64, 128, 2), (128, 128, 1), (128, 192, 2)):
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(192 * 16, 256), nn.SiLU())
        self.heads = nn.ModuleList(nn.Linear(256, n) for n in (len(NOUNS), len(COLOURS), len(BACKGROUNDS)))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        features = self.body(images)
        return [head(features) for head in self.heads]


def views(image: Float[Tensor, "3 h w"], scene: Scene) -> list[tuple[Tensor, Thing]]:
    """The picture of each thing by itself: the whole, or the half where its relation puts it, padded to a
    square."""
    if len(scene.things) == 1:
        return [(image, scene.things[0])]
    parts = []
    for window, thing in zip(_HALVES[scene.relation or "left"], scene.things, strict=True):
        rows, columns = window if isinstance(window, tuple) else (window, slice(None))
        half = image[:, rows, columns]
        down, across = (PIXELS - half.shape[1]) // 2, (PIXELS - half.shape[2]) // 2
        parts.append((F.pad(half[None], (across, across, down, down), mode="replicate")[0], thing))
    return parts


def _can_judge(scene: Scene) -> bool:
    return (len(scene.things) == 1 and scene.things[0].count == 1) or scene.relation in _HALVES


def judged_scenes(rng: np.random.Generator, mixture: Mixture, count: int) -> list[Scene]:
    """Scenes whose things can be looked at one by one."""
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = sample_scene(rng, mixture)
        if _can_judge(scene):
            scenes.append(scene)
    return scenes


def targets(things: list[Thing], grounds: list[str | None]) -> list[Tensor]:
    """Class numbers of nouns, colours (`NO_COLOUR` where none is named) and grounds."""
    return [
        torch.tensor([NOUN_INDEX[thing.noun] for thing in things]),
        torch.tensor([COLOUR_NAMES.index(thing.colour) if thing.colour else NO_COLOUR for thing in things]),
        torch.tensor([GROUND_NAMES.index(ground or "white") for ground in grounds]),
    ]


def judge_stage(config: TrainConfig, world: World) -> Stage:
    torch.manual_seed(config.seed)
    judge = Judge().to(world.device)

    def views_of(step: int, size: int, mixture: Mixture) -> tuple[Tensor, list[Tensor]]:
        rng = np.random.default_rng([config.seed, 4, step])
        batch = world.compose(judged_scenes(rng, mixture, size), rng)
        seen = [
            (view, thing, scene.background)
            for image, scene in zip(batch.images, batch.scenes, strict=True)
            for view, thing in views(image, scene)
        ]
        images, things, grounds = zip(*seen, strict=True)
        return torch.stack(images), targets(list(things), list(grounds))

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        images, wanted = views_of(step, config.judge.batch, MIXTURE)
        noisy = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(step))
        with torch.autocast(world.device, dtype=torch.bfloat16):
            logits = judge(noisy)
        return sum(
            (F.cross_entropy(a.float(), b) for a, b in zip(logits, wanted, strict=True)), torch.tensor(0.0)
        ), {}

    @torch.no_grad()
    def report(step: int) -> dict[str, float]:
        images, wanted = views_of(10**9, 1024, HELD_OUT)
        judge.eval()
        found = [logits.argmax(1) for logits in judge(images)]
        judge.train()
        rates = []
        for a, b in zip(found, wanted, strict=True):
            asked = b != NO_COLOUR
            rates.append((a == b)[asked].float().mean().item())
        return dict(zip(("held_out_noun", "held_out_colour", "held_out_ground"), rates, strict=True))

    return Stage(
        name="judge",
        config=config.judge,
        groups=[(list(judge.parameters()), 1.0)],
        modules={"judge": judge},
        loss=loss,
        report=report,
    )


def trained_judge(run: Path) -> Judge:
    """Raises: FileNotFoundError where the stage has not run."""
    state = checkpoint.load(run / "judge.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'judge.pt'} does not exist; make it with stage `judge`")
    judge = Judge()
    judge.load_state_dict(state["modules"]["judge"])
    return judge.eval()
