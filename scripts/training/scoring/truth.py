"""Recorded maps of composed scenes, with the masks of the objects that their words name."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limelight.attention import AttentionRuntime, plan
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.selection import Selection
from limelight.pipeline.models.model import Model
from scripts.training.data import Batch, World
from scripts.training.scoring.scores import plain
from scripts.world.composer import PIXELS
from scripts.world.scene import Scene
from scripts.world.vocabulary import NOUN_INDEX, NOUNS

SHARE = 0.5  # a pixel belongs to a thing that covers at least this share of it


@dataclass(frozen=True)
class Truth:
    """A word of a caption and the mask of what it names; `other` is the mask of another noun, if there is
    one."""

    scene: int
    kind: str  # noun, colour or ground
    word: str
    mask: Bool[Tensor, "h w"]
    other: Bool[Tensor, "h w"] | None


@dataclass(frozen=True)
class Recorded:
    """Every truth's maps: one for each timestep and head of each site, on the finest grid; the end token's
    and those of the truth's other noun next to them. A word that has no tokens has maps of zeros."""

    truths: list[Truth]
    heads: list[tuple[str, int, int]]  # site, its grid's side, head
    timesteps: list[int]
    maps: Float[Tensor, "n t s h w"]
    end: Float[Tensor, "n t s h w"]

    def part(self, chosen: Sequence[int]) -> "Recorded":
        index = torch.tensor(list(chosen))
        truths = [self.truths[i] for i in chosen]
        return Recorded(truths, self.heads, self.timesteps, self.maps[index], self.end[index])

    def of_kind(self, kind: str) -> "Recorded":
        """The maps of words of one kind."""
        return self.part([i for i, truth in enumerate(self.truths) if truth.kind == kind])


def truths_of(batch: Batch) -> list[Truth]:
    """The masks of what every noun, colour word and ground word of a batch names. Scenes hold nouns in the
    order of their captions, and the things of a count share one noun phrase."""
    found = []
    for row, scene in enumerate(batch.scenes):
        slots = np.cumsum([0, *(thing.count for thing in scene.things)])
        ranges = [slice(first, last) for first, last in pairwise(slots)]
        masks = [batch.pictures.masks[row, slots].sum(0) > SHARE for slots in ranges]
        for number, thing in enumerate(scene.things):
            noun = NOUNS[NOUN_INDEX[thing.noun]]
            other = masks[1 - number] if len(masks) == 2 else None
            found.append(
                Truth(row, "noun", noun.plural if thing.count > 1 else noun.word, masks[number], other)
            )
            if thing.colour:
                found.append(Truth(row, "colour", thing.colour, masks[number], other))
        if scene.background:
            nothing = batch.pictures.masks[row].sum(0) < 1 - SHARE
            found.append(Truth(row, "ground", scene.background, nothing, None))
    return found


def record(
    model: Model, world: World, scenes: list[Scene], timesteps: Sequence[int], seed: int, rows: int = 16
) -> Recorded:
    """Adds noise to composed scenes at each timestep, predicts once, and keeps the maps of every head of
    every site."""
    batch = world.compose(scenes, np.random.default_rng(seed))
    captions = [plain(scene) for scene in scenes]
    with torch.inference_mode():
        images = batch.images
        if images.shape[2:] != model.native_size:  # another model than the default one
            images = F.interpolate(images, model.native_size, mode="bicubic", antialias=True)
        latents = model.vae.encode(images).latent_dist.mean * model.vae.config.scaling_factor
        prompts = [model.text.prompt(caption) for caption in captions]
        views: list[list[HeatMaps]] = [[] for _ in scenes]
        for timestep in timesteps:
            for start in range(0, len(scenes), rows):
                part = slice(start, start + rows)
                recordings = predict(model, latents[part], [p.context for p in prompts[part]], timestep, seed)
                for row, recording in enumerate(recordings, start):
                    size = (PIXELS, PIXELS)
                    chosen = Selection(recording)
                    views[row].append(HeatMaps(captions[row], prompts[row].tokens, size, chosen))
    truths = truths_of(batch)
    maps = [torch.stack([_maps(view, truth, scenes) for view in views[truth.scene]]) for truth in truths]
    end = [torch.stack([_end(view) for view in views[truth.scene]]) for truth in truths]
    grids = {name: sums.shape[-1] for name, sums in views[0][0].recording.sums.items()}
    heads = [
        (name, side, head)
        for name, side in grids.items()
        for head in range(len(views[0][0].recording.sums[name]))
    ]
    return Recorded(truths, heads, list(timesteps), torch.stack(maps), torch.stack(end))


def predict(
    model: Model, latents: Tensor, contexts: list[Tensor], timestep: int, seed: int
) -> list[Recording]:
    """Every head's maps of one prediction from noised latents, a recording for each row."""
    noising = model.schedulers.make("model")
    generator = torch.Generator().manual_seed(seed * 1000 + timestep)
    steps = torch.full((len(latents),), timestep)
    x = noising.add_noise(latents, torch.randn(latents.shape, generator=generator), steps)
    specs = model.unet.attention_specs(*latents.shape[2:], model.text.length, batch=len(latents))
    chosen = plan(specs, {site.name: site.kind for site in model.unet.sites})
    recordings = [Recording("head", len(context)) for context in contexts]
    recorder = RowRecorder(recordings)
    backends = {site: choice.backend for site, choice in chosen.items()}
    model.unet(x, steps, torch.stack(contexts), attention=AttentionRuntime(backends, recorder))
    recorder.commit()
    return recordings


def _maps(view: HeatMaps, truth: Truth, scenes: list[Scene]) -> Float[Tensor, "s h w"]:
    """The word's map in every head. A colour may be said twice, of a thing and of the ground: the ground's
    word is the last."""
    equal = [word for word in view.words() if word.text == truth.word]
    if not equal:
        return stacked(view, ())
    is_ground = truth.kind == "ground"
    earlier = [thing.colour for thing in scenes[truth.scene].things]
    nth = -1 if is_ground else 0
    if truth.kind == "colour" and earlier.count(truth.word) == 2:
        return stacked(view, equal[0].tokens + equal[1].tokens)
    return stacked(view, equal[nth].tokens)


def _end(view: HeatMaps) -> Float[Tensor, "s h w"]:
    spoken = [i for i, token in enumerate(view.tokens) if token.span[0] < token.span[1]]
    return stacked(view, (max(spoken) + 1,))


def stacked(view: HeatMaps, tokens: Sequence[int]) -> Float[Tensor, "s h w"]:
    """Heads of all sites, one after the other, on the finest grid."""
    sums = view.recording.sums
    side = max(maps.shape[-1] for maps in sums.values())
    parts = []
    for name in sums:
        maps = view.recording.site(name)[:, list(tokens)].sum(1)
        parts.append(F.interpolate(maps[None], size=(side, side), mode="bilinear")[0])
    return torch.cat(parts)
