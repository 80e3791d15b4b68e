"""Batches of pictures with captions, questions and answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from limelight.pipeline.describer.network import GRID
from limelight.pipeline.describer.vocabulary import ASK, DESCRIBE, END, NUMBERS, SOMETHING, SPECIAL, Words
from scripts.describer import questions
from scripts.describer.captions import Region, Spoken, caption
from scripts.describer.strangers import stranger
from scripts.describer.view import COLOUR_WORDS, MIDDLE, View, views
from scripts.second.world import tiles as second_tiles
from scripts.second.world.nouns import NOUNS as MORE_NOUNS
from scripts.training.scoring.judge_stage import SOFTEST, blurred, softened
from scripts.world.composer import PIXELS, SIZES, Atlas, Layout, Pictures, arrange
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
TEXTS = 3  # of each picture: its caption, and questions
IGNORED = -100
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
        *NUMBERS,
        *COLOUR_WORDS,
        *BACKGROUNDS,
        *nouns,
        *nouns.values(),
    ]
    return Words(tuple(dict.fromkeys(known)), nouns, COLOUR_WORDS, tuple(BACKGROUNDS))


@dataclass(frozen=True)
class Shown:
    """Pictures and what they show; `images` are in -1..1."""

    views: list[View]
    scenes: list[Scene]
    pictures: Pictures
    images: Float[Tensor, "b 3 h w"]


@dataclass(frozen=True)
class Texts:
    """Texts about pictures, `TEXTS` for each, as one batch.

    Attributes:
        target: the word that follows, or `IGNORED`.
        looking: flat indices into ids of the words that have a region.
        regions: of these words, as distributions over the grid's positions.
    """

    ids: Int[Tensor, "t n"]
    target: Int[Tensor, "t n"]
    looking: Int[Tensor, " m"]
    regions: Float[Tensor, "m positions"]


class Gallery:
    """Composes pictures of the world with art that has no word, and pictures of other worlds.

    Args:
        held_out: art that training does not show stands for things without a word.
    """

    def __init__(self, world: Path, second: Path, seed: int, *, held_out: bool = False) -> None:
        named = {noun.word for noun in NOUNS}
        rows = [number for number, noun in enumerate(MORE_NOUNS) if noun.word not in named]
        rows = [row for at, row in enumerate(rows) if (at % HELD_OUT_ART == 0) == held_out]
        art = np.concatenate([load_tiles(world)[:2], second_tiles.load_tiles(second)[:, rows]], 1)
        whole = [noun.whole for noun in NOUNS] + [False] * len(rows)
        self.atlas, self.num_unnamed = Atlas(art, whole=whole), len(rows)
        rng = np.random.default_rng([seed, 1])
        pool = [stranger(rng, art[0]) for _ in range(POOL)]
        self.strangers = torch.from_numpy(np.stack(pool)).permute(0, 3, 1, 2) * 2 - 1

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
        return Shown(found, list(scenes), pictures, images)

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
        if max(dx, dy) > 0.9 * sides.mean() and abs(dx - dy) > MIDDLE:
            return x, y
    return None


def worn(images: Float[Tensor, "b 3 h w"], rng: np.random.Generator) -> Float[Tensor, "b 3 h w"]:
    """Pictures as soft and noisy as drawn ones may be, in random order of softness."""
    order = torch.from_numpy(rng.permutation(len(images)))
    soft = torch.empty_like(images)
    soft[order] = softened(images[order], rng, SOFTEST)
    noise = torch.from_numpy(rng.standard_normal(tuple(images.shape), np.float32))
    return soft + torch.from_numpy(rng.uniform(0, 0.12, (len(images), 1, 1, 1)).astype(np.float32)) * noise


def texts_of(shown: Shown, words: Words, rng: np.random.Generator) -> Texts:
    """The caption of each picture, and questions with answers."""
    known = {word: index for index, word in enumerate(words.tokens)}
    masks = F.adaptive_avg_pool2d(shown.pictures.masks, GRID).flatten(2)
    rows: list[list[int]] = []
    targets: list[list[int]] = []
    looking: list[tuple[int, int]] = []
    regions: list[Tensor] = []
    for number, view in enumerate(shown.views):
        spoken: list[tuple[str, Spoken, Spoken]] = [(DESCRIBE, [], caption(view))]
        for _ in range(TEXTS - 1):
            question, answer = questions.ask(view, rng)
            spoken.append((ASK, [*question, ("?", None)], answer))
        for first, read, written in spoken:
            both = [(first, None), *read, *written, (END, None)]
            ids = [known[word] for word, _ in both]
            for at, (_, region) in enumerate(both):
                if region is not None:
                    looking.append((len(rows), at))
                    regions.append(_distribution(masks[number], region))
            rows.append(ids)
            targets.append([IGNORED] * len(read) + ids[len(read) + 1 :] + [IGNORED])
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    target = torch.tensor([row + [IGNORED] * (length - len(row)) for row in targets])
    flat = torch.tensor([row * length + at for row, at in looking])
    return Texts(ids, target, flat, torch.stack(regions))


def _distribution(masks: Float[Tensor, "k positions"], region: Region) -> Float[Tensor, " positions"]:
    """The positions that show a region, as a distribution."""
    shown = 1 - masks.sum(0) if region == "ground" else masks[list(region or ())].sum(0)
    shown = shown.clamp(min=0)
    return shown / shown.sum().clamp(min=1e-6)


def scenes_of(rng: np.random.Generator, count: int, mixture: Mixture = MIXTURE) -> list[Scene]:
    return [sample_scene(rng, mixture) for _ in range(count)]
