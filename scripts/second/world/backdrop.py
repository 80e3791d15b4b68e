"""A scene's place, time and weather as layers and decals of a layout."""

from random import Random

import numpy as np

from scripts.second.world.layout import DECALS, PIXELS
from scripts.second.world.lights import LIGHTS, SKIES, THING_LIGHT
from scripts.second.world.places import GROUNDS, PLACE_INDEX, PLACES, Layer, Place
from scripts.second.world.scene import Scene

COLUMNS = ((np.arange(PIXELS) + 0.5) / PIXELS).astype(np.float32)
STUDIO_HORIZON = 0.55
Spot = tuple[float, float, float, float, float, tuple[float, float, float], float, int]


def paint_place(scene: Scene, row: dict[str, np.ndarray], rng: Random) -> float:
    """Fills the layers of `row`; returns the horizon as a share of the height."""
    row["drift"][:] = rng.randrange(PIXELS), rng.randrange(PIXELS)
    if scene.place is None:
        return _studio(scene, row, rng)
    place, random = PLACES[PLACE_INDEX[scene.place]], np.random.default_rng(rng.getrandbits(32))
    horizon = rng.uniform(*place.horizon)
    mood = "dull" if scene.weather and scene.time == "day" else scene.time
    below = horizon * PIXELS
    for index, layer in enumerate(place.layers):
        heights = layer.line(random, COLUMNS)
        row["lines"][index] = below - heights * PIXELS
        row["spans"][index] = _span(layer, row["lines"][index], below)
        row["fields"][index] = _field(layer, mood, rng)
        row["pattern"][index] = layer.pattern
    row["light"][:] = THING_LIGHT[mood]
    if scene.place in ("moon",):
        row["light"][:] = (0.94, 0.94, 1.0)
    row["air"][:] = (
        1.0 if scene.place == "moon" else 0.8 if scene.time == "night" and not scene.weather else 0,
        scene.weather == "rain",
        scene.weather == "snow",
    )
    _spots(_details(place, horizon, mood, rng), row)
    return horizon


def _span(layer: Layer, line: np.ndarray, below: float) -> tuple[float, float]:
    top = max(0.0, float(line.min()))
    return (
        (0.0, below)
        if layer.is_sky or top == 0
        else (top, max(below, top + 8) if top < below - 1 else PIXELS)
    )


def _field(layer: Layer, mood: str, rng: Random) -> np.ndarray:
    if layer.is_sky and mood in SKIES and layer.word == "sky":
        top, bottom = SKIES[mood]
    else:
        pick = rng.randrange(len(layer.top))
        top, bottom = layer.top[pick], layer.bottom[min(pick, len(layer.bottom) - 1)]
    colours = np.array([top, bottom], np.float32) / 255
    if layer.word != "sky":
        colours = LIGHTS[mood](colours)
    return np.clip(colours + np.array([rng.uniform(-0.015, 0.015) for _ in range(3)]), 0, 1)


def _studio(scene: Scene, row: dict[str, np.ndarray], rng: Random) -> float:
    colour = np.array(GROUNDS[scene.ground], np.float32) / 255
    colour = np.clip(colour + np.array([rng.uniform(-0.02, 0.02) for _ in range(3)]), 0, 1)
    row["lines"][0] = -BEYOND
    row["fields"][0] = np.clip([colour * 0.97, colour * 0.93], 0, 1)
    lit = tuple(np.clip(colour * 1.06 + 0.035, 0, 1))
    _spots([(rng.uniform(40, 88), rng.uniform(36, 64), 66, 58, 1.0, lit, 0.8, 0)], row)
    return STUDIO_HORIZON


BEYOND = 1e3


def _spots(spots: list[Spot], row: dict[str, np.ndarray]) -> None:
    for index, (x, y, wide, high, soft, colour, alpha, layer) in enumerate(spots[:DECALS]):
        row["decals"][index] = (x, y, wide, high, soft, *colour, alpha)
        row["clipped_to"][index] = layer


def _details(place: Place, horizon: float, mood: str, rng: Random) -> list[Spot]:
    """Adds the details of a place: clouds, flowers, craters, light."""
    below, spots = horizon * PIXELS, []
    floor = len(place.layers) - 1
    if place.outdoors and mood == "sunset":
        spots.append((rng.uniform(20, 108), below - 6, 52, 34, 1.0, (1.0, 0.84, 0.5), 0.75, 0))
    elif place.outdoors and mood in ("day", "dull") and rng.random() < 0.75:
        white = (1.0, 1.0, 1.0) if mood == "day" else (0.8, 0.83, 0.87)
        for _ in range(rng.randint(1, 2)):
            spots += _cloud(rng.uniform(8, 120), rng.uniform(8, below * 0.5), rng.uniform(0.6, 1.1), white)
    elif place.outdoors and mood == "night" and rng.random() < 0.6:
        spots.append((rng.uniform(10, 118), rng.uniform(8, 30), 26, 26, 1.0, (0.55, 0.6, 0.85), 0.35, 0))
    lit = lambda rgb: tuple(LIGHTS[mood](np.array(rgb)))  # noqa: E731
    if place.word in ("meadow", "garden"):
        for _ in range(6):
            y = rng.uniform(below + 4, 126)
            big = 1 + 1.2 * (y - below) / (PIXELS - below)
            petals = rng.choice([(1, 0.95, 0.6), (1, 1, 1), (1, 0.75, 0.85)])
            spots.append((rng.uniform(3, 125), y, big, 0.8 * big, 0.5, lit(petals), 0.9, floor))
    elif place.word == "moon":
        for _ in range(3):
            y, wide = rng.uniform(below + 6, 122), rng.uniform(7, 14)
            spots.append((rng.uniform(8, 120), y, wide, wide * 0.32, 0.25, (0.46, 0.46, 0.56), 0.55, floor))
        size, tone = rng.uniform(7, 12), rng.choice([(0.45, 0.65, 0.95), (0.9, 0.6, 0.45), (0.75, 0.6, 0.9)])
        x, y = rng.uniform(14, 114), rng.uniform(14, 40)
        spots.append((x, y, size, size, 0.12, tone, 1.0, 0))
        spots.append((x - size * 0.25, y - size * 0.3, size * 0.55, size * 0.5, 1.0, (1, 1, 1), 0.4, 0))
    elif place.word == "stage":
        x = rng.uniform(44, 84)
        spots.append((x, (below + PIXELS) / 2 + 2, 50, 15, 0.5, (1.0, 0.93, 0.72), 0.6, floor))
        spots.append((x, 40, 44, 66, 1.0, (1.0, 0.9, 0.75), 0.34, 0))
    elif place.word == "room":
        tone = rng.choice([(0.82, 0.36, 0.34), (0.36, 0.52, 0.76), (0.42, 0.62, 0.5), (0.94, 0.86, 0.7)])
        x, y = rng.uniform(44, 84), (below + PIXELS) / 2 + rng.uniform(1, 5)
        spots.append((x, y, 46, 13, 0.08, tone, 1.0, floor))
        spots.append((x, y, 38, 10, 0.1, tuple(0.8 * c + 0.2 for c in tone), 1.0, floor))
    elif place.word == "sea":
        for _ in range(5):
            y = rng.uniform(below + 3, 124)
            wide = 5 + 9 * (y - below) / (PIXELS - below)
            spots.append((rng.uniform(5, 123), y, wide, 1.0, 0.8, lit((0.75, 0.92, 1.0)), 0.5, floor))
    elif place.word == "city":
        for step in range(4):
            x = 20 + 32 * step + rng.uniform(-2, 2)
            spots.append((x, (below + PIXELS) / 2 + 6, 9, 1.6, 0.3, lit((0.97, 0.95, 0.85)), 0.9, floor))
    return spots


def _cloud(x: float, y: float, size: float, tone: tuple[float, float, float]) -> list[Spot]:
    puffs = ((0, 0, 13, 5.5), (-7, 1, 8, 4), (6, -2.5, 8, 5))
    return [
        (x + size * dx, y + size * dy, size * wide, size * high, 0.55, tone, 0.85, 0)
        for dx, dy, wide, high in puffs
    ]
