"""Recorded maps of composed scenes, with the masks of the things that their words name: maps whose true
places are known."""

from collections.abc import Sequence
from random import Random

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.selection import Selection
from limelight.pipeline.models.model import Model
from scripts.second.scoring.recorded import SHARE, Recorded, Truth, predict, stacked
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import Batch, World
from scripts.second.training.grounding import same_words
from scripts.second.training.text import TextSide
from scripts.second.world.captions import BACKDROP, MOST_THINGS, NOTHING, Caption, describe
from scripts.second.world.layout import PIXELS
from scripts.second.world.scene import Scene
from scripts.second.world.vocabulary import COLOURS, MATERIALS

KINDS = ("noun", "colour", "material", "stuff", "ground")


def kind_of(caption: Caption, index: int) -> str | None:
    """The kind of a word, or None for words without a mask."""
    word, name = caption.words[index], caption.names[index]
    if name == NOTHING:
        return None
    if name == BACKDROP:
        return "ground"
    if name >= MOST_THINGS:
        return "stuff"
    if index in caption.heads:
        return "noun"
    return "colour" if word in COLOURS else "material" if word in MATERIALS else None


def mask_of(batch: Batch, row: int, name: int) -> Bool[Tensor, "h w"]:
    """The mask of the pixels that a word names."""
    pictures = batch.pictures
    if name < MOST_THINGS:
        return pictures.things[row][batch.layout.owner[row] == name].sum(0) > SHARE
    if name == BACKDROP:
        return pictures.layers[row].sum(0) > SHARE
    alike = same_words(batch.scenes[row].place)[name - MOST_THINGS] > 0
    return pictures.layers[row][alike].sum(0) > SHARE


def caption_of(scene: Scene, rng: Random, *, names_stuff: bool) -> Caption:
    """A caption of the scene; with `names_stuff` one that names a layer of its place, such as the sky."""
    caption = describe(scene, rng)
    while names_stuff and scene.place and not any(MOST_THINGS <= name < BACKDROP for name in caption.names):
        caption = describe(scene, rng)
    return caption


def record(
    model: Model,
    world: World,
    tokenizer: str,
    scenes: list[Scene],
    timesteps: Sequence[int],
    seed: int,
    rows: int = 16,
) -> Recorded:
    """Adds noise to composed scenes at each timestep, predicts once, and keeps the maps of every head of
    every site."""
    rng = Random(seed)
    batch = world.compose(scenes, rng)
    captions = [caption_of(scene, rng, names_stuff=row % 2 == 0) for row, scene in enumerate(scenes)]
    text = TextSide(TWO_CORES.text, tokenizer)  # finds the words' tokens; the model brings its own encoder
    views: list[list[HeatMaps]] = [[] for _ in scenes]
    with torch.inference_mode():
        encoded = [model.vae.encode(part).latent_dist.mean for part in batch.images.split(rows)]
        latents = torch.cat(encoded) * model.vae.config.scaling_factor
        prompts = [model.text.prompt(caption.text) for caption in captions]
        for timestep in timesteps:
            for start in range(0, len(scenes), rows):
                part = slice(start, start + rows)
                contexts = [prompt.context for prompt in prompts[part]]
                recordings = predict(model, latents[part], contexts, timestep, seed)
                for row, recording in enumerate(recordings, start):
                    size = (PIXELS, PIXELS)
                    views[row].append(
                        HeatMaps(captions[row].text, prompts[row].tokens, size, Selection(recording))
                    )
    truths: list[Truth] = []
    maps: list[Float[Tensor, "t s h w"]] = []
    ends: list[Float[Tensor, "t s h w"]] = []
    for row, caption in enumerate(captions):
        place = 1  # after the start token
        for index, word in enumerate(caption.words):
            tokens = tuple(range(place, place + len(text.pieces(word))))
            place += len(tokens)
            kind, name = kind_of(caption, index), caption.names[index]
            if kind is None or not (mask := mask_of(batch, row, name)).any():
                continue
            other = mask_of(batch, row, 1 - name) if name < 2 and len(batch.scenes[row].things) == 2 else None
            truths.append(Truth(row, kind, word, mask, other))
            maps.append(torch.stack([stacked(view, tokens) for view in views[row]]))
        end = torch.stack([stacked(view, (place,)) for view in views[row]])
        ends += [end] * (len(truths) - len(ends))
    sums = views[0][0].recording.sums
    heads = [(name, x.shape[-1], head) for name, x in sums.items() for head in range(len(x))]
    return Recorded(truths, heads, list(timesteps), torch.stack(maps), torch.stack(ends))
