"""Arranges a scene: where things stand, their scale by nearness, contact, occlusion and shadows."""

import math
from dataclasses import dataclass
from random import Random

import numpy as np

from scripts.second.world.backdrop import paint_place
from scripts.second.world.layout import PIXELS, Layout, blank
from scripts.second.world.nouns import NOUN_INDEX, NOUNS
from scripts.second.world.places import PLACE_INDEX, PLACES
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.vocabulary import COLOURS, MATERIALS, STYLES

SIDE = {1: 35, 2: 41, 3: 48, 4: 56, 5: 63}  # pixels of a size class, one of two things at middle distance
EDGE = 3.0
SINKS = {"water": 0.2, "floor": 0.1}  # share of its height below the water line, by what the thing rests on
ANGLES = {"upside down": math.pi, "sleeping": math.pi / 2, "flying": -0.3}


@dataclass
class Body:
    """One thing to be placed: `x` its middle, `base` its lower edge, in pixels; `side` its tile's at middle
    distance times `nearness`."""

    owner: int
    thing: Thing
    wide: float
    high: float
    top: float
    full_side: float
    nearness: float = 1.0
    x: float = 64.0
    base: float = 100.0
    rests: str = "floor"
    shadow: float = 0.42
    fall: float = 0.0

    @property
    def side(self) -> float:
        return self.full_side * self.nearness

    @property
    def width(self) -> float:
        return self.side * (self.high if self.thing.pose == "sleeping" else self.wide)

    @property
    def height(self) -> float:
        return self.side * (self.wide if self.thing.pose == "sleeping" else self.high)

    def overlap(self, other: "Body") -> float:
        """The share of the smaller box that the other covers."""
        across = min(self.x + self.width / 2, other.x + other.width / 2) - max(
            self.x - self.width / 2, other.x - other.width / 2
        )
        down = min(self.base, other.base) - max(self.base - self.height, other.base - other.height)
        least = min(self.width * self.height, other.width * other.height)
        return max(0.0, across) * max(0.0, down) / least


def arrange(scenes: list[Scene], extents: np.ndarray, rng: Random) -> Layout:
    """Layouts that fulfil what each scene says.

    Args:
        extents: the atlas's, (arts, nouns, 3).
    """
    return Layout.of([_arranged(scene, extents, rng) for scene in scenes])


def _arranged(scene: Scene, extents: np.ndarray, rng: Random) -> dict[str, np.ndarray]:
    row = blank()
    art = 1 if scene.style == "flat" else 0
    row["art"][...], row["style"][...] = art, STYLES.index(scene.style)
    horizon = paint_place(scene, row, rng) * PIXELS
    bodies = _bodies(scene, extents[art], rng)
    floor = _Floor(scene, horizon)
    for attempt in range(60):
        _place(scene, bodies, floor, rng)
        if _fits(scene, bodies):
            break
        if attempt % 6 == 5:
            for body in bodies:
                body.full_side *= 0.94
    _write(scene, bodies, row)
    return row


def _bodies(scene: Scene, extents: np.ndarray, rng: Random) -> list[Body]:
    total = sum(thing.count for thing in scene.things)
    growth = {1: rng.uniform(1.15, 1.7), 2: 1.06, 3: 0.92, 4: 0.84, 5: 0.78}[total]
    bodies = []
    for owner, thing in enumerate(scene.things):
        noun = NOUNS[NOUN_INDEX[thing.noun]]
        said = {"small": 0.68, "big": 1.4}.get(thing.size or "", 1.0)
        for _ in range(thing.count):
            side = SIDE[noun.size] * growth * said * rng.uniform(0.92, 1.08)
            wide, high, top = extents[NOUN_INDEX[thing.noun]]
            side = float(np.clip(side, 26, 104 if total == 1 else 70))
            bodies.append(Body(owner, thing, float(wide), float(high), float(top), side))
    return bodies


class _Floor:
    """Where things can stand in a scene, as heights of lower edges in pixels."""

    def __init__(self, scene: Scene, horizon: float):
        self.horizon = horizon
        self.is_water = scene.place is not None and PLACES[PLACE_INDEX[scene.place]].floor == "water"
        self.is_studio = scene.place is None

    def base(self, rng: Random) -> float:
        """The lower edge of a thing that stands."""
        far = self.horizon + (8 if not self.is_studio else 4)
        return rng.uniform(min(far, 116), PIXELS - EDGE - 2)

    def drift(self, body: Body, rng: Random) -> float:
        """The lower edge of a thing in the air."""
        lowest = self.horizon - 2 if not self.is_studio else PIXELS - 14
        return rng.uniform(min(body.height + EDGE, lowest), max(lowest, body.height + EDGE))

    def nearness(self, base: float) -> float:
        """The scale at a height: lower edges further down are nearer, so larger."""
        return 0.86 + 0.28 * max(0.0, base - self.horizon) / (PIXELS - self.horizon)


def _rests(body: Body, floor: _Floor) -> str:
    if body.thing.pose == "flying":
        return "air"
    rests = NOUNS[NOUN_INDEX[body.thing.noun]].rests
    if rests == "air":
        return "air"
    return "water" if floor.is_water else "floor"


def _settle(body: Body, floor: _Floor, rng: Random) -> None:
    """The lower edge of a thing by what it rests on; a jumping thing is above the floor."""
    body.rests, body.fall, body.shadow = _rests(body, floor), 0.0, 0.42
    if body.rests == "air":
        body.base = floor.drift(body, rng)
        body.shadow = 0.0
        if floor.is_studio:
            body.fall, body.shadow = max(0.0, PIXELS - 10 - body.base), 0.16
        return
    body.base = floor.base(rng)
    if body.thing.pose == "jumping":
        body.fall, body.shadow = min(0.35 * body.height, 14), 0.26
        body.base -= body.fall


def _place(scene: Scene, bodies: list[Body], floor: _Floor, rng: Random) -> None:
    is_free = scene.relation is None and scene.things[0].count == 1
    for body in bodies:
        _settle(body, floor, rng)
        body.nearness = floor.nearness(body.base) if is_free and body.rests != "air" else 1.0
        body.x = rng.uniform(
            body.width / 2 + EDGE, max(PIXELS - EDGE - body.width / 2, body.width / 2 + EDGE)
        )
    if len(bodies) > 1 and scene.things[0].count > 1:
        _crowd(bodies, floor, rng)
    elif scene.relation:
        _relate(scene.relation, bodies, floor, rng)


def _crowd(bodies: list[Body], floor: _Floor, rng: Random) -> None:
    """Equal things side by side, a little out of line."""
    room = (PIXELS - 2 * EDGE) / len(bodies)
    rows = 2 if sum(body.width + 2 for body in bodies) > PIXELS - 2 * EDGE or rng.random() < 0.3 else 1
    base = floor.base(rng) if bodies[0].rests != "air" else bodies[0].base
    for index, body in enumerate(bodies):
        if rows == 1:
            body.x = EDGE + room * (index + 0.5) + rng.uniform(-2, 2)
        high = body.height * 0.8 if rows == 2 and index % 2 else 0.0
        if rows == 2:
            body.x = EDGE + (PIXELS - 2 * EDGE) / (len(bodies) + 1) * (index + 1) + rng.uniform(-2, 2)
        body.base = min(PIXELS - EDGE, base + rng.uniform(-4, 4)) - high
        if body.rests != "air" and high:
            body.base = max(floor.horizon + 6, body.base)


def _relate(relation: str, bodies: list[Body], floor: _Floor, rng: Random) -> None:
    first, second = bodies[0], bodies[1]
    if relation in ("left", "right", "next"):
        left, right = (first, second) if relation == "left" else (second, first)
        if relation == "next" and rng.random() < 0.5:
            left, right = right, left
        gap = rng.uniform(2, 12) if relation == "next" else rng.uniform(2, 36)
        room = PIXELS - 2 * EDGE - left.width - right.width - gap
        left.x = EDGE + left.width / 2 + rng.uniform(0, max(room, 0))
        right.x = left.x + left.width / 2 + gap + right.width / 2
        if left.rests == right.rests:
            right.base = left.base + rng.uniform(-7, 7)
            left.fall = right.fall = 0.0 if left.rests != "air" else left.fall
    elif relation in ("above", "below"):
        upper, lower = (first, second) if relation == "above" else (second, first)
        lower.rests = "water" if floor.is_water else "floor"
        lower.base, lower.fall, lower.shadow = floor.base(rng), 0.0, 0.42
        upper.rests, upper.shadow, upper.fall = "air", 0.0, 0.0
        upper.base = lower.base - lower.height - rng.uniform(3, 16)
        upper.x = lower.x + rng.uniform(-10, 10)
    elif relation in ("front", "behind"):
        near, far = (first, second) if relation == "front" else (second, first)
        for body in (near, far):
            body.rests, body.shadow, body.fall = "water" if floor.is_water else "floor", 0.42, 0.0
        near.nearness, far.nearness = 1.06, 0.94
        near.base = min(PIXELS - EDGE, far.base + rng.uniform(7, 15))
        far.base = min(far.base, near.base - 5)
        turn = rng.choice((-1, 1))
        near.x = far.x + turn * (
            far.width / 2 + near.width / 2 - rng.uniform(0.3, 0.5) * min(far.width, near.width)
        )
    elif relation == "on":
        first.rests, first.shadow, first.fall = "thing", 0.0, 0.0
        second.rests, second.shadow, second.fall = "water" if floor.is_water else "floor", 0.42, 0.0
        second.base = floor.base(rng)
        first.base = second.base - second.side * second.top + 0.07 * first.height
        first.x = second.x + rng.uniform(-2, 2)
    elif relation == "wearing":
        second.full_side = first.side * first.wide * 0.62 / max(second.wide, 0.5)
        second.rests, second.shadow, second.fall = "thing", 0.0, 0.0
        second.x = first.x
        top = first.base - first.side * first.top
        if second.thing.noun == "sunglasses":
            second.base = top + 0.48 * first.height + second.height / 2
        else:
            second.base = top + 0.3 * second.height
    elif relation == "between":
        third, widths = bodies[2], sum(body.width for body in bodies)
        left, right = (second, third) if rng.random() < 0.5 else (third, second)
        gap = max(1.0, min(10.0, (PIXELS - 2 * EDGE - widths) / 2 * rng.uniform(0.3, 1)))
        start = EDGE + rng.uniform(0, max(0.0, PIXELS - 2 * EDGE - widths - 2 * gap))
        for body in (left, first, right):
            body.x = start + body.width / 2
            start += body.width + gap
            body.base = first.base + rng.uniform(-4, 4)


def _fits(scene: Scene, bodies: list[Body]) -> bool:
    for body in bodies:
        if body.x - body.width / 2 < 0 or body.x + body.width / 2 > PIXELS:
            return False
        if body.base - body.height < 0 or body.base > PIXELS - 1:
            return False
    together = scene.relation in ("front", "behind", "on", "wearing")
    for index, body in enumerate(bodies):
        for other in bodies[:index]:
            if not together and body.overlap(other) > 0.04:
                return False
            if scene.relation in ("front", "behind") and body.overlap(other) > 0.5:
                return False
    return True


def _write(scene: Scene, bodies: list[Body], row: dict[str, np.ndarray]) -> None:
    order = sorted(bodies, key=lambda body: body.base + body.fall)
    if scene.relation in ("on", "wearing"):
        order = [bodies[1], bodies[0]] if scene.relation == "on" else [bodies[0], bodies[1]]
    for slot, body in enumerate(order):
        thing = body.thing
        row["noun"][slot], row["owner"][slot] = NOUN_INDEX[thing.noun], body.owner
        row["colour"][slot] = tuple(COLOURS).index(thing.colour) if thing.colour else -1
        row["material"][slot] = tuple(MATERIALS).index(thing.material) if thing.material else -1
        base = body.base
        if body.rests == "water":
            row["clip"][slot] = base
            base += (
                SINKS["water" if NOUNS[NOUN_INDEX[thing.noun]].rests == "water" else "floor"] * body.height
            )
        row["x"][slot], row["y"][slot], row["side"][slot] = body.x, base - body.height / 2, body.side
        row["angle"][slot] = ANGLES.get(thing.pose or "", 0.0)
        row["lift"][slot] = 0.5 - 2 / PIXELS - body.high / 2 + 2 / PIXELS
        row["halo"][slot] = 0.75 if thing.material == "glowing" else 0.0
        if body.shadow and body.rests != "thing":
            wide = 0.52 * body.width * (1.0 if body.fall == 0 else 0.8)
            tall = max(2.5, 0.24 * wide)
            row["shadow"][slot] = (body.x, body.base + body.fall - 0.2 * tall, wide, tall, 1.6 * body.shadow)
