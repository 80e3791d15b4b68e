"""Pictures that are not of the world: noise as coarse as photographs are, collages, charts, crowds."""

import numpy as np
from PIL import Image, ImageDraw

from scripts.world.composer import PIXELS

Pixels = np.ndarray  # float32 (64, 64, 3) in 0..1


def stranger(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """A random picture that is not of the world.

    Args:
        tiles: uint8 (n, side, side, 4), art that may appear in it.
    """
    kinds = (clouds, clouds, collage, stripes, crowd, hidden, hidden, page, page, sheet, zoomed)
    return kinds[rng.integers(len(kinds))](rng, tiles)


def clouds(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """Noise whose amplitude falls with frequency, as in photographs (Field 1987); some with sharp edges."""
    frequency = np.hypot(np.fft.fftfreq(PIXELS)[:, None], np.fft.fftfreq(PIXELS)[None, :])
    amplitude = 1 / np.maximum(frequency, 1 / PIXELS) ** rng.uniform(0.7, 3.0)
    channels = rng.standard_normal((3, PIXELS, PIXELS))
    mixed = np.einsum("ij,jhw->ihw", np.eye(3) * rng.uniform(0.1, 1) + 0.7, channels)
    waves = np.fft.ifft2(np.fft.fft2(mixed) * amplitude).real
    waves = (waves - waves.mean()) / waves.std()
    if rng.random() < 0.4:
        waves = np.round(waves * rng.uniform(1, 3)) / 2
    picture = rng.uniform(0.2, 0.8, (3, 1, 1)) + rng.uniform(0.1, 0.35) * waves
    return np.clip(picture, 0, 1).transpose(1, 2, 0).astype(np.float32)


def collage(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """Shapes in many colours over each other."""
    side = 2 * PIXELS
    image = Image.new("RGB", (side, side), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(6, 40)):
        points = [tuple(point) for point in rng.integers(-10, side + 10, (rng.integers(2, 6), 2)).tolist()]
        if len(points) == 2:
            draw.line(points, _colour(rng), int(rng.integers(1, 9)))
        elif rng.random() < 0.5:
            draw.polygon(points, _colour(rng))
        else:
            (x, y), size = points[0], int(rng.integers(4, 60))
            draw.ellipse((x, y, x + size, y + int(rng.integers(4, 60))), _colour(rng))
    return _small(image)


def stripes(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """A pattern of stripes, squares or bars, or lines of text."""
    side = 2 * PIXELS
    image = Image.new("RGB", (side, side), _colour(rng))
    draw = ImageDraw.Draw(image)
    kind, step = rng.integers(3), int(rng.integers(6, 28))
    if kind == 0:
        for line in range(0, side, step):
            text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz     "), 40))
            draw.text((2, line), text, _colour(rng))
    for number, x in enumerate(range(0, side, step)):
        if kind == 1:
            draw.rectangle((x, int(rng.integers(0, side)), x + step - 2, side), _colour(rng))
        if kind == 2 and number % 2:
            draw.rectangle((x, 0, x + step, side), _colour(rng))
            if rng.random() < 0.5:
                draw.rectangle((0, x, side, x + step), _colour(rng))
    turned = image.rotate(float(rng.uniform(0, 90)), Image.Resampling.BILINEAR) if kind == 2 else image
    return _small(turned)


def crowd(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """So many things that no caption of the world fits."""
    image = Image.new("RGB", (2 * PIXELS, 2 * PIXELS), _colour(rng))
    for _ in range(rng.integers(9, 25)):
        _paste(image, rng, tiles, 20, 70)
    return _small(image)


def page(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """A page: lines, boxes and small pictures on a plain ground."""
    side = 4 * PIXELS
    ground = (255, 255, 255) if rng.random() < 0.6 else _colour(rng)
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    ink = (30, 30, 36) if sum(ground) > 380 else (230, 230, 236)
    for _ in range(rng.integers(2, 7)):
        x, y = (int(at) for at in rng.integers(0, side - 40, 2))
        for line in range(int(rng.integers(1, 9))):
            draw.text((x, y + 13 * line), "lorem ipsum dolor sit amet "[: rng.integers(4, 27)], ink)
    for _ in range(rng.integers(1, 6)):
        x, y, width, height = (int(at) for at in rng.integers((0, 0, 8, 6), (side - 20, side - 20, 150, 90)))
        outline = _colour(rng) if rng.random() < 0.5 else None
        draw.rectangle((x, y, x + width, y + height), None if outline else _colour(rng), outline)
    for _ in range(rng.integers(0, 4)):
        _paste(image, rng, tiles, 14, 90, turned=False)
    return _small(image)


def sheet(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """Small pictures of things in rows, each on a ground of its own."""
    across = int(rng.integers(2, 6))
    cell, gap = 4 * PIXELS // across, int(rng.integers(0, 14))
    image = Image.new(
        "RGB", (4 * PIXELS, 4 * PIXELS), (255, 255, 255) if rng.random() < 0.7 else _colour(rng)
    )
    for row in range(across):
        for column in range(across):
            one = Image.new("RGB", (cell, cell), _colour(rng))
            _paste(one, rng, tiles, cell // 2, cell, turned=False, inside=True)
            size = max(8, cell - gap)
            if rng.random() < 0.9:
                image.paste(one.resize((size, size)), (column * cell + gap, row * cell + gap))
    return _small(image)


def zoomed(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """A thing so large that the picture shows a part of it."""
    image = Image.new("RGB", (2 * PIXELS, 2 * PIXELS), _colour(rng))
    size = int(rng.integers(220, 420))
    tile = Image.fromarray(tiles[rng.integers(len(tiles))]).resize((size, size))
    left, top = (-int(at) for at in rng.integers(size // 6, size - 2 * PIXELS - size // 8, 2))
    image.paste(tile, (left, top), tile)
    return _small(image)


def hidden(rng: np.random.Generator, tiles: np.ndarray) -> Pixels:
    """Things in front of something that is no plain ground."""
    behind = (clouds, collage, stripes)[rng.integers(3)](rng, tiles)
    image = Image.fromarray((behind * 255).astype(np.uint8)).resize((2 * PIXELS, 2 * PIXELS))
    for _ in range(rng.integers(1, 4)):
        _paste(image, rng, tiles, 40, 90)
    return _small(image)


def _paste(
    image: Image.Image,
    rng: np.random.Generator,
    tiles: np.ndarray,
    low: int,
    high: int,
    *,
    turned: bool = True,
    inside: bool = False,
) -> None:
    size = int(rng.integers(low, high))
    tile = Image.fromarray(tiles[rng.integers(len(tiles))]).resize((size, size))
    if turned:
        tile = tile.rotate(float(rng.uniform(-180, 180)))
    low_at, high_at = (0, image.width - size + 1) if inside else (-size // 3, image.width - size // 2)
    place = tuple(int(at) for at in rng.integers(low_at, high_at, 2))
    image.paste(tile, place, tile)


def _colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(level) for level in rng.integers(0, 256, 3))


def _small(image: Image.Image) -> Pixels:
    return np.asarray(image.resize((PIXELS, PIXELS), Image.Resampling.BOX), np.float32) / 255
