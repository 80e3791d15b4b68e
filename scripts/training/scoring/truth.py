"""Recorded maps of composed scenes, with the masks of the objects that their words name."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.selection import Selection
from limelight.pipeline.models.model import Model
from scripts.second.scoring.recorded import SHARE, Recorded, Truth, predict, stacked
from scripts.training.data import Batch, World
from scripts.training.scoring.scores import plain
from scripts.world.composer import PIXELS
from scripts.world.scene import Scene
from scripts.world.vocabulary import NOUN_INDEX, NOUNS


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
