"""Scenes: their things, the relation of the things, the ground, the style. No pixels, no words."""

from dataclasses import dataclass, replace

import numpy as np

from scripts.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    NOUNS,
    RELATIONS,
    colour_is_held_out,
    pair_is_held_out,
)

MAX_THINGS = 4


@dataclass(frozen=True)
class Thing:
    """One noun phrase: `count` equal things share it."""

    noun: str
    colour: str | None = None
    size: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Scene:
    """`relation` holds between the first and the second thing; `background` is None if the caption does not
    name it."""

    things: tuple[Thing, ...]
    relation: str | None = None
    background: str | None = None
    style: str = "3d"


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """How often each kind of scene appears. The scenes that are neither `single` nor `pair` show several
    equal things; `related` is the share of pairs with a relation."""

    single: float = 0.54
    pair: float = 0.34
    related: float = 0.85
    coloured: float = 0.7
    sized: float = 0.12
    background_named: float = 0.85
    flat: float = 0.2
    held_out: bool = False

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that appear, the one that needs no word first."""
        return ("3d", "flat") if self.flat else ("3d",)


def sample_scene(rng: np.random.Generator, mixture: Mixture) -> Scene:
    """A random scene without held-out combinations; with `mixture.held_out` only scenes that have one."""
    while True:
        scene = _draw(rng, mixture)
        if is_held_out(scene) == mixture.held_out:
            return scene


def is_held_out(scene: Scene) -> bool:
    """Whether the scene shows a pair of nouns or a noun in a colour that is held out from training."""
    coloured = any(thing.colour and colour_is_held_out(thing.noun, thing.colour) for thing in scene.things)
    return coloured or (
        len(scene.things) == 2 and pair_is_held_out(scene.things[0].noun, scene.things[1].noun)
    )


def _draw(rng: np.random.Generator, mixture: Mixture) -> Scene:
    kind = rng.random()
    if kind < mixture.single:
        thing = _thing(rng, mixture)
        if rng.random() < mixture.sized:
            thing = replace(thing, size=("small", "big")[rng.integers(2)])
        things, relation = (thing,), None
    elif kind < mixture.single + mixture.pair:
        things, relation = _pair(rng, mixture)
    else:
        things = (replace(_thing(rng, mixture), count=int(rng.integers(2, max(COUNTS) + 1))),)
        relation = None
    named = rng.random() < mixture.background_named
    background = tuple(BACKGROUNDS)[rng.integers(len(BACKGROUNDS))] if named else None
    style = "flat" if rng.random() < mixture.flat else "3d"
    return Scene(things, relation, background, style)


def _thing(rng: np.random.Generator, mixture: Mixture) -> Thing:
    coloured = rng.random() < mixture.coloured
    colour = tuple(COLOURS)[rng.integers(len(COLOURS))] if coloured else None
    return Thing(NOUNS[rng.integers(len(NOUNS))].word, colour)


def _pair(rng: np.random.Generator, mixture: Mixture) -> tuple[tuple[Thing, ...], str | None]:
    first, second = _thing(rng, mixture), _thing(rng, mixture)
    while second.noun == first.noun:
        second = _thing(rng, mixture)
    if rng.random() < mixture.sized:
        sizes = ("small", "big") if rng.random() < 0.5 else ("big", "small")
        first, second = replace(first, size=sizes[0]), replace(second, size=sizes[1])
    related = rng.random() < mixture.related
    return (first, second), RELATIONS[rng.integers(len(RELATIONS))] if related else None
