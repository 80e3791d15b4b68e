"""Pictures of the first world for the describer."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.describer.vocabulary import NUMBERS, SOMETHING, SPECIAL, Words
from scripts.describer import questions
from scripts.describer.strangers import strangers
from scripts.describer.texts import Shown
from scripts.describer.view import COLOUR_WORDS, MIDDLE, views
from scripts.second.world import tiles as second_tiles
from scripts.second.world.nouns import NOUNS as MORE_NOUNS
from scripts.training.scoring.judge_stage import SOFTEST, blurred, softened
from scripts.world.composer import PIXELS, SIZES, Atlas, Layout, arrange
from scripts.world.scene import Mixture, Scene, sample_scene
from scripts.world.tiles import load_tiles
from scripts.world.vocabulary import BACKGROUNDS, NOUNS

MIXTURE = Mixture(single=0.4, pair=0.42, sized=0.15, background_named=1.0)
UNNAMED = 0.07  # the share of things that are shown by art without a word
ANYWHERE = 0.4  # the share of single things that stand anywhere
APART = 0.25  # the share of pairs that stand anywhere
EMPTY = 0.015
BLURRED = 0.04
STRANGERS = 0.14
POOL = 3000  # pictures of another world that are kept
HELD_OUT_ART = 5  # each fifth picture without a word is kept for scores


def words_of_the_world() -> Words:
    """Every word that captions, questions and answers use."""
    small = (
        "a an the is there are of to on at in and next , ? what how many where colour background flat style"
    )
    small += " nothing no yes several colours things above below left right top bottom middle small big"
    nouns = {noun.word: noun.plural for noun in NOUNS}
    known = [
        *SPECIAL,
        *small.split(),
        SOMETHING,
        *NUMBERS[:5],
        *COLOUR_WORDS,
        *BACKGROUNDS,
        *nouns,
        *nouns.values(),
    ]
    return Words(tuple(dict.fromkeys(known)), nouns, COLOUR_WORDS, tuple(BACKGROUNDS))


class Gallery:
    """Composes pictures of the world with art that has no word, and pictures of other worlds.

    Args:
        held_out: art that training does not show stands for things without a word.
    """

    def __init__(self, world: Path, second: Path, seed: int, *, held_out: bool = False) -> None:
        self.words, self.kinds = words_of_the_world(), questions.KINDS
        named = {noun.word for noun in NOUNS}
        rows = [number for number, noun in enumerate(MORE_NOUNS) if noun.word not in named]
        rows = [row for at, row in enumerate(rows) if (at % HELD_OUT_ART == 0) == held_out]
        art = np.concatenate([load_tiles(world)[:2], second_tiles.load_tiles(second)[:, rows]], 1)
        whole = [noun.whole for noun in NOUNS] + [False] * len(rows)
        self.atlas, self.num_unnamed = Atlas(art, whole=whole), len(rows)
        self.strangers = strangers(np.random.default_rng([seed, 1]), art[0], POOL, PIXELS)

    def sample(
        self, count: int, rng: np.random.Generator, *, free: bool = False, held_out: bool = False
    ) -> Shown:
        """Random pictures."""
        mixture = replace(MIXTURE, held_out=held_out)
        return self.show([sample_scene(rng, mixture) for _ in range(count)], rng, free=free)

    def show(self, scenes: Sequence[Scene], rng: np.random.Generator, *, free: bool = True) -> Shown:
        """Composed scenes.

        Args:
            free: as in training: things anywhere, without a word, or too blurred for one, and empty grounds.
        """
        layout = arrange(list(scenes), rng)
        unnamed = np.zeros(layout.noun.shape, bool)
        empty = blurry = np.zeros(len(scenes), bool)
        if free:
            layout = moved(layout, rng)
            unnamed = self._hide(scenes, layout, rng)
            empty = rng.random(len(scenes)) < EMPTY
            layout.noun[torch.from_numpy(empty)] = -1
            blurry = rng.random(len(scenes)) < BLURRED
        pictures = self.atlas.draw(layout)
        images = pictures.images * 2 - 1
        images = torch.where(torch.from_numpy(blurry)[:, None, None, None], blurred(images), images)
        found = views(scenes, layout, unnamed | blurry[:, None])
        found = [replace(view, things=()) if none else view for view, none in zip(found, empty, strict=True)]
        return Shown(found, images, pictures.masks)

    def _hide(self, scenes: Sequence[Scene], layout: Layout, rng: np.random.Generator) -> np.ndarray:
        """Puts art without a word in the place of some things, and says of which."""
        unnamed = np.zeros(layout.noun.shape, bool)
        for row, scene in enumerate(scenes):
            first = 0
            for thing in scene.things:
                if rng.random() < UNNAMED:
                    unnamed[row, first : first + thing.count] = True
                    layout.noun[row, first : first + thing.count] = len(NOUNS) + int(
                        rng.integers(self.num_unnamed)
                    )
                first += thing.count
        return unnamed


def moved(layout: Layout, rng: np.random.Generator) -> Layout:
    """Single things anywhere in some pictures, all others a little aside."""
    side = torch.tensor(SIZES)[layout.size]
    shape = tuple(layout.x.shape)
    single = (layout.noun >= 0).sum(1, keepdim=True) == 1
    far = torch.from_numpy(rng.random((shape[0], 1)) < ANYWHERE) & single
    places = []
    for at in (layout.x, layout.y):
        near = at + torch.from_numpy(rng.integers(-2, 3, shape))
        anywhere = torch.from_numpy(rng.random(shape)) * (PIXELS - side + 1)
        places.append(torch.where(far, anywhere.long(), near).clamp(min=0).minimum(PIXELS - side))
    x, y = places
    for row in np.flatnonzero((layout.noun >= 0).sum(1).numpy() == 2):
        sides = side[row, :2].numpy()
        if rng.random() < APART and (found := apart(sides, rng)) is not None:
            x[row, :2], y[row, :2] = (torch.from_numpy(at) for at in found)
    return replace(layout, x=x, y=y)


def apart(sides: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """Places of two things that hardly overlap, clearly side by side or above each other; None if chance
    finds none."""
    for _ in range(8):
        x, y = (np.floor(rng.random(2) * (PIXELS - sides + 1)).astype(np.int64) for _ in range(2))
        dx, dy = (abs(float(np.diff(at + sides / 2)[0])) for at in (x, y))
        if max(dx, dy) > 0.9 * sides.mean() and abs(dx - dy) > MIDDLE * PIXELS:
            return x, y
    return None


def worn(images: Float[Tensor, "b 3 h w"], rng: np.random.Generator) -> Float[Tensor, "b 3 h w"]:
    """Pictures as soft and noisy as drawn ones may be, in random order of softness."""
    order = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    soft = torch.empty_like(images)
    soft[order] = softened(images[order], rng, SOFTEST * images.shape[-1] // PIXELS)
    noise = _noise(images, rng)
    amount = torch.from_numpy(rng.uniform(0, 0.12, (len(images), 1, 1, 1)).astype(np.float32))
    return soft + amount.to(images.device) * noise


def _noise(like: Float[Tensor, "b 3 h w"], rng: np.random.Generator) -> Float[Tensor, "b 3 h w"]:
    """Unit noise; a GPU draws its own, since numpy's takes as long as a training step there."""
    if like.device.type == "cpu":
        return torch.from_numpy(rng.standard_normal(tuple(like.shape), np.float32))
    generator = torch.Generator(like.device).manual_seed(int(rng.integers(2**63)))
    return torch.randn(like.shape, generator=generator, device=like.device)
