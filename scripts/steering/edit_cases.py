"""Edits of the words of a picture, in the words of the world: requests and the pictures that they should
give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from scripts.training.data import World
from scripts.training.scoring.judge import Found
from scripts.world.captions import parse
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUN_INDEX, NOUNS

KINDS = ("noun", "colour", "ground", "added thing", "weight 0")
_COLOURS, _GROUNDS = tuple(COLOURS), tuple(BACKGROUNDS)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One edit.

    Attributes:
        words: whose places change.
        plain: a prompt that asks for the edited picture by itself.
        scales: attention weights of words.
        noun: that should be there afterwards; with `colour`, in that colour.
        gone: a noun that should be there no longer.
        ground: that should be there afterwards; None where it should stay.
        others: nouns that should stay.
    """

    kind: str
    seed: int
    base: str
    edit: str
    words: tuple[str, ...]
    plain: str
    others: tuple[str, ...]
    scales: dict[str, float] = field(default_factory=dict)
    noun: str | None = None
    colour: str | None = None
    gone: str | None = None
    ground: str | None = None

    def is_done(self, found: list[Found], ground: int) -> bool:
        """Whether the judge sees what the edit asks for."""
        if self.ground is not None:
            return _GROUNDS[ground] == self.ground
        if self.gone is not None:
            return not seen(self.gone, found)
        wanted = None if self.colour is None else _COLOURS.index(self.colour)
        return any(each.colour == wanted or wanted is None for each in seen(self.noun or "", found))


def seen(noun: str, found: list[Found]) -> list[Found]:
    """The things of a noun among those that the judge found."""
    return [each for each in found if each.noun == NOUN_INDEX[noun]]


def cases(count: int, seed: int) -> list[Case]:
    """`count` edits, the kinds in turn; always the same for a seed."""
    rng = np.random.default_rng(seed)
    return [_MAKERS[KINDS[i % len(KINDS)]](rng, seed + i) for i in range(count)]


def _named(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _on(things: str, ground: str) -> str:
    return f"{things} on {_named(ground)} background"


def _nouns(rng: np.random.Generator, count: int) -> list[str]:
    return [NOUNS[int(i)].word for i in rng.choice(len(NOUNS), count, replace=False)]


def _ground(rng: np.random.Generator) -> str:
    return _GROUNDS[int(rng.integers(len(_GROUNDS)))]


def _noun(rng: np.random.Generator, seed: int) -> Case:
    one, other, new = _nouns(rng, 3)
    ground = _ground(rng)
    base, edit = (_on(f"{_named(each)} and {_named(other)}", ground) for each in (one, new))
    return Case(
        kind="noun", seed=seed, base=base, edit=edit, words=(new,), plain=edit, others=(other,), noun=new
    )


def _colour(rng: np.random.Generator, seed: int) -> Case:
    one, other = _nouns(rng, 2)
    ground, native = _ground(rng), NOUNS[NOUN_INDEX[one]].native
    colours = [colour for colour in _COLOURS if colour not in (ground, native)]
    colour = colours[int(rng.integers(len(colours)))]
    base = _on(f"{_named(one)} and {_named(other)}", ground)
    edit = _on(f"{_named(colour)} {one} and {_named(other)}", ground)
    return Case(
        kind="colour",
        seed=seed,
        base=base,
        edit=edit,
        words=(one,),
        plain=edit,
        others=(one, other),
        noun=one,
        colour=colour,
    )


def _new_ground(rng: np.random.Generator, seed: int) -> Case:
    one, other = _nouns(rng, 2)
    old, new = (_GROUNDS[int(i)] for i in rng.choice(len(_GROUNDS), 2, replace=False))
    base, edit = (_on(f"{_named(one)} and {_named(other)}", each) for each in (old, new))
    words = (new, "background")
    return Case(
        kind="ground",
        seed=seed,
        base=base,
        edit=edit,
        words=words,
        plain=edit,
        others=(one, other),
        ground=new,
    )


def _added(rng: np.random.Generator, seed: int) -> Case:
    one, new = _nouns(rng, 2)
    ground = _ground(rng)
    base, edit = _on(_named(one), ground), _on(f"{_named(one)} and {_named(new)}", ground)
    return Case(
        kind="added thing", seed=seed, base=base, edit=edit, words=(new,), plain=edit, others=(one,), noun=new
    )


def _weight(rng: np.random.Generator, seed: int) -> Case:
    one, other = _nouns(rng, 2)
    ground = _ground(rng)
    base = _on(f"{_named(one)} and {_named(other)}", ground)
    return Case(
        kind="weight 0",
        seed=seed,
        base=base,
        edit=base,
        words=(one,),
        plain=base.replace(one, f"({one}:0)", 1),
        others=(other,),
        scales={one: 0.0},
        gone=one,
    )


_MAKERS: dict[str, Callable[[np.random.Generator, int], Case]] = {
    "noun": _noun,
    "colour": _colour,
    "ground": _new_ground,
    "added thing": _added,
    "weight 0": _weight,
}


def composed(asked: Sequence[Case], world: World) -> list[Image.Image]:
    """A composed picture of each edit's first prompt, always the same for its seed."""
    images = []
    for case in asked:
        batch = world.compose([parse(case.base)], np.random.default_rng(case.seed))
        values = (batch.pictures.images[0].permute(1, 2, 0) * 255).round().byte().numpy()
        images.append(Image.fromarray(values))
    return images
