"""Pictures that are not of the world: noise as coarse as photographs are, collages, charts, crowds."""

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw
from torch import Tensor

Pixels = np.ndarray  # float32 (side, side, 3) in 0..1
DRAWN = 64  # side in pixels that sizes of shapes are given for


def strangers(rng: np.random.Generator, tiles: np.ndarray, count: int, side: int) -> UInt8[Tensor, "n 3 h w"]:
    """Random pictures that are not of the world."""
    found = [(255 * stranger(rng, tiles, side)).round().astype(np.uint8) for _ in range(count)]
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).contiguous()


def stranger(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """A random picture that is not of the world.

    Args:
        tiles: uint8 (n, side, side, 4), art that may appear in it.
    """
    kinds = (clouds, clouds, collage, stripes, crowd, hidden, hidden, page, page, sheet, zoomed)
    return kinds[rng.integers(len(kinds))](rng, tiles, side)


def clouds(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """Noise whose amplitude falls with frequency, as in photographs (Field 1987); some with sharp edges."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    amplitude = 1 / np.maximum(frequency, 1 / side) ** rng.uniform(0.7, 3.0)
    channels = rng.standard_normal((3, side, side))
    mixed = np.einsum("ij,jhw->ihw", np.eye(3) * rng.uniform(0.1, 1) + 0.7, channels)
    waves = np.fft.ifft2(np.fft.fft2(mixed) * amplitude).real
    waves = (waves - waves.mean()) / waves.std()
    if rng.random() < 0.4:
        waves = np.round(waves * rng.uniform(1, 3)) / 2
    picture = rng.uniform(0.2, 0.8, (3, 1, 1)) + rng.uniform(0.1, 0.35) * waves
    return np.clip(picture, 0, 1).transpose(1, 2, 0).astype(np.float32)


def collage(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """Shapes in many colours over each other."""
    whole, unit = 2 * side, side // DRAWN
    image = Image.new("RGB", (whole, whole), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(6, 40)):
        points = [tuple(point) for point in rng.integers(-10, whole + 10, (rng.integers(2, 6), 2)).tolist()]
        if len(points) == 2:
            draw.line(points, _colour(rng), int(rng.integers(1, 9)) * unit)
        elif rng.random() < 0.5:
            draw.polygon(points, _colour(rng))
        else:
            (x, y), size = points[0], unit * int(rng.integers(4, 60))
            draw.ellipse((x, y, x + size, y + unit * int(rng.integers(4, 60))), _colour(rng))
    return _small(image, side)


def stripes(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """A pattern of stripes, squares or bars, or lines of text."""
    whole, unit = 2 * side, side // DRAWN
    image = Image.new("RGB", (whole, whole), _colour(rng))
    draw = ImageDraw.Draw(image)
    kind, step = rng.integers(3), unit * int(rng.integers(6, 28))
    if kind == 0:
        for line in range(0, whole, step):
            text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz     "), 40))
            draw.text((2, line), text, _colour(rng))
    for number, x in enumerate(range(0, whole, step)):
        if kind == 1:
            draw.rectangle((x, int(rng.integers(0, whole)), x + step - 2, whole), _colour(rng))
        if kind == 2 and number % 2:
            draw.rectangle((x, 0, x + step, whole), _colour(rng))
            if rng.random() < 0.5:
                draw.rectangle((0, x, whole, x + step), _colour(rng))
    turned = image.rotate(float(rng.uniform(0, 90)), Image.Resampling.BILINEAR) if kind == 2 else image
    return _small(turned, side)


def crowd(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """So many things that no caption of the world fits."""
    image = Image.new("RGB", (2 * side, 2 * side), _colour(rng))
    for _ in range(rng.integers(9, 25)):
        _paste(image, rng, tiles, 20 * side // DRAWN, 70 * side // DRAWN)
    return _small(image, side)


def page(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """A page: lines, boxes and small pictures on a plain ground."""
    whole, unit = 4 * side, side // DRAWN
    ground = (255, 255, 255) if rng.random() < 0.6 else _colour(rng)
    image = Image.new("RGB", (whole, whole), ground)
    draw = ImageDraw.Draw(image)
    ink = (30, 30, 36) if sum(ground) > 380 else (230, 230, 236)
    for _ in range(rng.integers(2, 7)):
        x, y = (int(at) for at in rng.integers(0, whole - 40, 2))
        for line in range(int(rng.integers(1, 9))):
            draw.text((x, y + 13 * line), "lorem ipsum dolor sit amet "[: rng.integers(4, 27)], ink)
    for _ in range(rng.integers(1, 6)):
        x, y, width, height = (
            int(at) for at in rng.integers((0, 0, 8, 6), (whole - 20, whole - 20, 150 * unit, 90 * unit))
        )
        outline = _colour(rng) if rng.random() < 0.5 else None
        draw.rectangle((x, y, x + width, y + height), None if outline else _colour(rng), outline)
    for _ in range(rng.integers(0, 4)):
        _paste(image, rng, tiles, 14 * unit, 90 * unit, turned=False)
    return _small(image, side)


def sheet(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """Small pictures of things in rows, each on a ground of its own."""
    across = int(rng.integers(2, 6))
    cell, gap = 4 * side // across, int(rng.integers(0, 14))
    image = Image.new("RGB", (4 * side, 4 * side), (255, 255, 255) if rng.random() < 0.7 else _colour(rng))
    for row in range(across):
        for column in range(across):
            one = Image.new("RGB", (cell, cell), _colour(rng))
            _paste(one, rng, tiles, cell // 2, cell, turned=False, inside=True)
            size = max(8, cell - gap)
            if rng.random() < 0.9:
                image.paste(one.resize((size, size)), (column * cell + gap, row * cell + gap))
    return _small(image, side)


def zoomed(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """A thing so large that the picture shows a part of it."""
    image = Image.new("RGB", (2 * side, 2 * side), _colour(rng))
    size = int(rng.integers(220, 420)) * side // DRAWN
    tile = Image.fromarray(tiles[rng.integers(len(tiles))]).resize((size, size))
    left, top = (-int(at) for at in rng.integers(size // 6, size - 2 * side - size // 8, 2))
    image.paste(tile, (left, top), tile)
    return _small(image, side)


def hidden(rng: np.random.Generator, tiles: np.ndarray, side: int) -> Pixels:
    """Things in front of something that is no plain ground."""
    behind = (clouds, collage, stripes)[rng.integers(3)](rng, tiles, side)
    image = Image.fromarray((behind * 255).astype(np.uint8)).resize((2 * side, 2 * side))
    for _ in range(rng.integers(1, 4)):
        _paste(image, rng, tiles, 40 * side // DRAWN, 90 * side // DRAWN)
    return _small(image, side)


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


def _small(image: Image.Image, side: int) -> Pixels:
    return np.asarray(image.resize((side, side), Image.Resampling.BOX), np.float32) / 255
