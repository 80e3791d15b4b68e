"""Random scenes: how often each kind appears, and the combinations that are held out from training."""

from dataclasses import dataclass, replace
from random import Random

from scripts.second.world.nouns import CORE, NOUNS
from scripts.second.world.places import GROUNDS, PLACE_INDEX, PLACES
from scripts.second.world.scene import Scene, Thing, is_held_out
from scripts.second.world.vocabulary import COLOURS, MATERIALS, POSES, SIZES, WEATHERS, WORN

COLOURLESS = ("silhouette", "sketch")
RELATED = ("left", "right", "above", "below", "front", "behind", "on", "next")


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """How often each kind of scene appears. `single`, `pair` and `three` are the shares of scenes with that
    many things; the remaining scenes show several equal things.

    Of pairs and threes `related` is the share with a relation; `studio` have a plain ground; `odd` put
    things where they do not belong. `styles` are (style, share), the rest is 3d. `nouns`: the number of
    nouns of the table that are used, from the first.
    """

    single: float = 0.42
    pair: float = 0.4
    three: float = 0.06
    related: float = 0.8
    coloured: float = 0.42
    material: float = 0.08
    posed: float = 0.1
    sized: float = 0.1
    worn: float = 0.05
    studio: float = 0.3
    said: float = 0.9
    odd: float = 0.3
    sunset: float = 0.12
    night: float = 0.14
    weather: float = 0.08
    styles: tuple[tuple[str, float], ...] = (("flat", 0.1),)
    nouns: int = CORE
    held_out: bool = False


def sample_scene(rng: Random, mixture: Mixture) -> Scene:
    """A random scene without held-out combinations; with `mixture.held_out` only scenes that have one."""
    while True:
        scene = _draw(rng, mixture)
        if is_held_out(scene) == mixture.held_out:
            return scene


def _draw(rng: Random, mixture: Mixture) -> Scene:
    place = None if rng.random() < mixture.studio else rng.choice(PLACES).word
    scene = Scene(
        things=(),
        place=place,
        ground=rng.choice(tuple(GROUNDS)),
        said=rng.random() < mixture.said,
        style=_style(rng, mixture),
    )
    if place and PLACES[PLACE_INDEX[place]].outdoors:
        chance = rng.random()
        time = (
            "sunset"
            if chance < mixture.sunset
            else "night"
            if chance < mixture.sunset + mixture.night
            else "day"
        )
        weather = rng.choice(WEATHERS) if rng.random() < mixture.weather else None
        scene = replace(scene, time=time, weather=weather)
    kind = rng.random()
    if kind < mixture.single:
        things, relation = _single(rng, mixture, place)
    elif kind < mixture.single + mixture.pair:
        things, relation = _pair(rng, mixture, place)
    elif kind < mixture.single + mixture.pair + mixture.three:
        things, relation = _three(rng, mixture, place)
    else:
        thing = replace(_thing(rng, mixture, place), count=rng.randint(2, 5))
        things, relation = (thing,), None
    if scene.style in COLOURLESS:
        things = tuple(replace(thing, colour=None, material=None) for thing in things)
    return replace(scene, things=things, relation=relation)


def _style(rng: Random, mixture: Mixture) -> str:
    chance = rng.random()
    for style, share in mixture.styles:
        chance -= share
        if chance < 0:
            return style
    return "3d"


def _thing(rng: Random, mixture: Mixture, place: str | None) -> Thing:
    noun = rng.choice(NOUNS[: mixture.nouns])
    while place and not belongs(noun.rests, place) and rng.random() > mixture.odd:
        noun = rng.choice(NOUNS[: mixture.nouns])
    chance, colour, material = rng.random(), None, None
    if chance < mixture.coloured:
        colour = rng.choice(tuple(COLOURS))
    elif chance < mixture.coloured + mixture.material:
        material = rng.choice(tuple(MATERIALS))
    return Thing(noun=noun.word, colour=colour, material=material)


def belongs(rests: str, place: str) -> bool:
    """Whether a thing that rests on `rests` is at home in the place."""
    if rests == "water":
        return place in ("sea", "beach")
    if rests == "air":
        return PLACES[PLACE_INDEX[place]].outdoors or place == "moon"
    return place not in ("sea",)


def _single(rng: Random, mixture: Mixture, place: str | None) -> tuple[tuple[Thing, ...], str | None]:
    thing = _thing(rng, mixture, place)
    if rng.random() < mixture.sized:
        thing = replace(thing, size=rng.choice(SIZES))
    if rng.random() < mixture.posed:
        thing = replace(thing, pose=rng.choice(POSES))
    return (thing,), None


def _pair(rng: Random, mixture: Mixture, place: str | None) -> tuple[tuple[Thing, ...], str | None]:
    first, second = _thing(rng, mixture, place), _thing(rng, mixture, place)
    if rng.random() < mixture.worn:
        worn = replace(second, noun=rng.choice(WORN))
        if first.noun not in WORN:
            return (first, worn), "wearing"
    while second.noun == first.noun:
        second = _thing(rng, mixture, place)
    if rng.random() < mixture.sized:
        sizes = rng.sample(SIZES, 2)
        first, second = replace(first, size=sizes[0]), replace(second, size=sizes[1])
    relation = rng.choice(RELATED) if rng.random() < mixture.related else None
    return (first, second), relation


def _three(rng: Random, mixture: Mixture, place: str | None) -> tuple[tuple[Thing, ...], str | None]:
    things: list[Thing] = []
    while len(things) < 3:
        thing = _thing(rng, mixture, place)
        if thing.noun not in [other.noun for other in things]:
            things.append(thing)
    return tuple(things), "between" if rng.random() < mixture.related else None
