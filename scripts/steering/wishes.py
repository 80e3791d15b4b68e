"""Requests whose things have wished places: quarters of the picture, or blobs as of a broad brush."""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from limelight.pipeline.requests.places import Box, Mask
from limelight.pipeline.requests.steering import Painted
from limelight.pipeline.sampling.coverage import coverage
from scripts.second.scoring.tasks import phrase
from scripts.second.world.nouns import NOUNS
from scripts.second.world.places import GROUNDS
from scripts.second.world.scene import Thing

QUARTERS: tuple[Box, ...] = ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1))
PLACES = ("quarters", "blobs")
GRID = 64  # positions a side of a blob's mask
APART = 0.42  # the least distance of two blobs' middles, as a share of the side
Place = Box | Mask


@dataclass(frozen=True)
class Wish:
    """Things, by their numbers among the nouns, and the place of each; `ground` is that of the prompt, if it
    names one."""

    nouns: tuple[int, ...]
    places: tuple[Place, ...]
    seed: int
    ground: str | None = None

    @property
    def words(self) -> list[str]:
        return [NOUNS[noun].word for noun in self.nouns]

    @property
    def prompt(self) -> str:
        *first, last = map(with_article, self.words)
        said = f"{', '.join(first)} and {last}" if first else last
        return said if self.ground is None else f"{said} on {with_article(self.ground)} background"


def with_article(word: str) -> str:
    return phrase(Thing(noun=word)) if word in _WORDS else f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


_WORDS = frozenset(noun.word for noun in NOUNS)


def place_fields(place: Place) -> dict[str, Place]:
    """The fields of a painted word or a region that has the place."""
    return {"mask" if isinstance(place, Mask) else "box": place}


def covers(place: Place, x: float, y: float) -> bool:
    """Whether a point, in fractions of the sides, lies in a place."""
    covered = coverage(Painted("a thing", **place_fields(place)), (GRID, GRID))  # type: ignore[arg-type]
    column, row = (min(int(at * GRID), GRID - 1) for at in (x, y))
    return bool(covered[row, column] > 0.5)


def wishes(
    count: int, seed: int, nouns: int, *, things: int = 2, places: str = "quarters", grounds: bool = False
) -> list[Wish]:
    """`count` requests for `things` of the first `nouns` nouns; always the same for a seed."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        chosen = tuple(int(noun) for noun in rng.choice(nouns, things, replace=False))
        if places == "blobs":
            wished: tuple[Place, ...] = blobs(rng, things)
        else:
            wished = tuple(QUARTERS[i] for i in rng.choice(len(QUARTERS), things, replace=False))
        ground = tuple(GROUNDS)[int(rng.integers(len(GROUNDS)))] if grounds else None
        found.append(Wish(chosen, wished, seed + i, ground))
    return found


def blobs(rng: np.random.Generator, count: int) -> tuple[Mask, ...]:
    """Blobs that do not meet: round dabs along a short stroke, about a third of the side wide."""
    middles: list[np.ndarray] = []
    while len(middles) < count:
        middle = rng.uniform(0.2, 0.8, 2)
        if all(np.hypot(*(middle - other)) > APART for other in middles):
            middles.append(middle)
        elif rng.random() < 0.05:
            middles = []  # the first ones may leave no room
    parts = [_blob(rng, middle) for middle in middles]
    masks = [reduce(lambda left, other: left & ~other, parts[:i], part) for i, part in enumerate(parts)]
    return tuple(Mask(GRID, GRID, (mask * np.uint8(255)).tobytes()) for mask in masks)


def _blob(rng: np.random.Generator, middle: np.ndarray) -> np.ndarray:
    grid = (np.arange(GRID) + 0.5) / GRID
    x, y = grid[None, :], grid[:, None]
    at, turn, mask = middle.copy(), rng.uniform(0, 2 * np.pi), np.zeros((GRID, GRID), bool)
    for _ in range(5):
        mask |= np.hypot(x - at[0], y - at[1]) < rng.uniform(0.12, 0.17)
        turn += rng.uniform(-1.2, 1.2)
        at = np.clip(at + 0.05 * np.array([np.cos(turn), np.sin(turn)]), middle - 0.08, middle + 0.08)
    return mask
