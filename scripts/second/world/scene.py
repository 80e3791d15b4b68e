"""Scenes: their things, the relation of the things, place, time, weather and style. No pixels, no words."""

from dataclasses import dataclass

from scripts.second.world.vocabulary import (
    colour_is_held_out,
    material_is_held_out,
    pair_is_held_out,
    place_is_held_out,
    style_is_held_out,
)

MAX_THINGS = 5


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One noun phrase: `count` equal things share it."""

    noun: str
    colour: str | None = None
    material: str | None = None
    size: str | None = None
    pose: str | None = None
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`relation` holds between the first and the second thing; `between` has the first of three stand in the
    middle. `place` is a place's word or None for a plain ground, `ground` that ground's colour. `said`:
    whether the caption names place or ground."""

    things: tuple[Thing, ...]
    relation: str | None = None
    place: str | None = None
    ground: str = "white"
    time: str = "day"
    weather: str | None = None
    style: str = "3d"
    said: bool = True


def is_held_out(scene: Scene) -> bool:
    """Whether the scene shows a combination that is held out from training."""
    nouns = [thing.noun for thing in scene.things]
    return (
        any(thing.colour and colour_is_held_out(thing.noun, thing.colour) for thing in scene.things)
        or any(thing.material and material_is_held_out(thing.noun, thing.material) for thing in scene.things)
        or any(pair_is_held_out(a, b) for i, a in enumerate(nouns) for b in nouns[:i])
        or (scene.place is not None and any(place_is_held_out(noun, scene.place) for noun in nouns))
        or any(style_is_held_out(noun, scene.style) for noun in nouns)
    )
