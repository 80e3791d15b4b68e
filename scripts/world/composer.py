"""Composes scenes as pixels, many at once, on any device: every thing is gathered from an atlas of all tiles
in all sizes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from scripts.world.scene import MAX_THINGS, Scene
from scripts.world.tint import tint_layers
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUN_INDEX, NOUNS, STYLES

PIXELS = 64
# Sides and places are whole cells of the autoencoder, so that a thing has one look in latents wherever it
# stands: a small denoiser learns shapes many times sooner than from things that lie between cells.
CELL = 4
SIZES = tuple(range(16, 61, CELL))
GRADIENT = 0.05
PALETTE = np.array([*COLOURS.values()], np.float32) / 255
GROUNDS = np.array([*BACKGROUNDS.values()], np.float32) / 255


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where everything of a batch of scenes stands. Empty slots have noun -1; colour -1 is the art's own."""

    noun: Int[Tensor, "b k"]
    colour: Int[Tensor, "b k"]
    size: Int[Tensor, "b k"]
    x: Int[Tensor, "b k"]
    y: Int[Tensor, "b k"]
    style: Int[Tensor, " b"]
    ground: Float[Tensor, "b 3"]

    def to(self, device: str | torch.device) -> "Layout":
        return Layout(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})


@dataclass(frozen=True)
class Pictures:
    """`images` in 0..1; `masks[:, k]`: the share of each pixel that shows the thing in slot k; `tinted`: the
    share that shows its coloured part."""

    images: Float[Tensor, "b 3 h w"]
    masks: Float[Tensor, "b k h w"]
    tinted: Float[Tensor, "b k h w"]


class Atlas:
    """All tiles in all sizes as one table of pixels: native rgb, alpha, tinted base rgb, tint (all
    premultiplied).

    Args:
        tiles: uint8 (styles, nouns, h, w, 4).
        whole: for each noun, whether a colour word colours all of it.
    """

    def __init__(
        self,
        tiles: np.ndarray,
        device: str | torch.device = "cpu",
        whole: Sequence[bool] = tuple(noun.whole for noun in NOUNS),
    ):
        rows, starts, offset = [], np.zeros((*tiles.shape[:2], len(SIZES)), np.int64), 1
        for style in range(tiles.shape[0]):
            for noun in range(tiles.shape[1]):
                layers = tint_layers(tiles[style, noun], whole[noun])
                for index, size in enumerate(SIZES):
                    starts[style, noun, index] = offset
                    rows.append(_shrink(layers, size).reshape(-1, 8))
                    offset += size * size
        table = np.concatenate([np.zeros((1, 8), np.float32), *rows])
        self.table = torch.from_numpy(table).to(device)
        self.starts = torch.from_numpy(starts).to(device)
        self.palette = torch.from_numpy(PALETTE).to(device)

    def draw(self, layout: Layout) -> Pictures:
        """Paints the slots in order, later ones over earlier ones."""
        device = self.table.device
        rows = torch.arange(PIXELS, device=device)
        fade = 1 + GRADIENT * (1 - 2 * rows / (PIXELS - 1))
        canvas = layout.ground[:, None, None, :] * fade[None, :, None, None]
        canvas = canvas.expand(-1, PIXELS, PIXELS, 3).clamp(0, 1)
        masks, tinted = [], []
        for slot in range(layout.noun.shape[1]):
            pixels = self._gather(layout, slot)  # b h w 8
            alpha, tint = pixels[..., 3:4], pixels[..., 7:8]
            colour = self.palette[layout.colour[:, slot].clamp(min=0)][:, None, None]
            own = (layout.colour[:, slot] < 0)[:, None, None, None]
            painted = torch.where(own, pixels[..., :3], pixels[..., 4:7] + tint * colour)
            canvas = canvas * (1 - alpha) + painted
            masks = [mask * (1 - alpha) for mask in masks] + [alpha]
            tinted = [part * (1 - alpha) for part in tinted] + [torch.where(own, 0.0, tint)]
        return Pictures(
            canvas.permute(0, 3, 1, 2).contiguous(),
            torch.cat(masks, -1).permute(0, 3, 1, 2),
            torch.cat(tinted, -1).permute(0, 3, 1, 2),
        )

    def _gather(self, layout: Layout, slot: int) -> Float[Tensor, "b h w 8"]:
        noun, size = layout.noun[:, slot], layout.size[:, slot]
        start = self.starts[layout.style, noun.clamp(min=0), size]
        side = torch.tensor(SIZES, device=size.device)[size][:, None, None]
        grid = torch.arange(PIXELS, device=size.device)
        row = grid[None, :, None] - layout.y[:, slot, None, None]
        column = grid[None, None, :] - layout.x[:, slot, None, None]
        inside = (row >= 0) & (row < side) & (column >= 0) & (column < side) & (noun >= 0)[:, None, None]
        return self.table[torch.where(inside, start[:, None, None] + row * side + column, 0)]


def _shrink(layers: np.ndarray, size: int) -> np.ndarray:
    planes = [Image.fromarray(layers[..., channel]) for channel in range(layers.shape[-1])]
    small = [
        np.asarray(plane.resize((size, size), Image.Resampling.BOX, reducing_gap=None)) for plane in planes
    ]
    return np.clip(np.stack(small, -1), 0, 1).astype(np.float32)


def arrange(scenes: list[Scene], rng: np.random.Generator) -> Layout:
    """Sizes and places of all things, which fulfil what each scene says."""
    shape = (len(scenes), MAX_THINGS)
    noun, colour, size, x, y = (np.full(shape, fill, np.int64) for fill in (-1, -1, 0, 0, 0))
    ground = np.zeros((len(scenes), 3), np.float32)
    style = np.array([STYLES.index(scene.style) for scene in scenes])
    names = tuple(BACKGROUNDS)
    for index, scene in enumerate(scenes):
        place = names.index(scene.background) if scene.background else rng.integers(len(names))
        ground[index] = np.clip(GROUNDS[place] + rng.uniform(-0.02, 0.02, 3), 0, 1)
        things = [thing for thing in scene.things for _ in range(thing.count)]
        for slot, (thing, (side, left, top)) in enumerate(zip(things, _places(scene, rng), strict=True)):
            noun[index, slot] = NOUN_INDEX[thing.noun]
            colour[index, slot] = tuple(COLOURS).index(thing.colour) if thing.colour else -1
            size[index, slot], x[index, slot], y[index, slot] = SIZES.index(side), left, top
    arrays = {"noun": noun, "colour": colour, "size": size, "x": x, "y": y, "style": style, "ground": ground}
    return Layout(**{name: torch.from_numpy(array) for name, array in arrays.items()})


def _places(scene: Scene, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """(side, left, top) in pixels of every single thing."""
    first = scene.things[0]
    if len(scene.things) == 2:
        return _pair_places(scene, rng)
    if first.count == 1:
        side = {"small": 24, "big": 56}.get(first.size or "", 40 + 8 * int(rng.integers(2)))
        return [_around(32, 32, side, 8, rng)]
    in_a_row = first.count == 3 and rng.random() < 0.5
    if in_a_row:
        return [_around(cx, 32, 20, 0, rng) for cx in (12, 32, 52)]
    centres = {
        2: ((16, 32), (48, 32)),
        3: ((32, 16), (16, 48), (48, 48)),
        4: ((16, 16), (48, 16), (16, 48), (48, 48)),
    }[first.count]
    return [_around(cx, cy, 24, 4, rng) for cx, cy in centres]


def _pair_places(scene: Scene, rng: np.random.Generator) -> list[tuple[int, int, int]]:
    vertical = scene.relation in ("above", "below")
    far_first = scene.relation in ("right", "below") or (
        scene.relation in (None, "next") and bool(rng.integers(2))
    )
    centres = [(32, 16), (32, 48)] if vertical else [(16, 32), (48, 32)]
    if far_first:
        centres.reverse()
    places = []
    for thing, (cx, cy) in zip(scene.things, centres, strict=True):
        side = {"small": 20, "big": 32}.get(thing.size or "", 28)
        across = _cells(8, rng)
        cx, cy = (cx + across, cy) if vertical else (cx, cy + across)
        places.append(_around(cx, cy, side, 0, rng))
    return places


def _cells(most: int, rng: np.random.Generator) -> int:
    """A whole number of cells as an offset, at most `most` pixels in either direction."""
    return CELL * int(rng.integers(-(most // CELL), most // CELL + 1))


def _around(cx: float, cy: float, side: int, jitter: int, rng: np.random.Generator) -> tuple[int, int, int]:
    left, top = (CELL * round((c - side / 2) / CELL) + _cells(jitter, rng) for c in (cx, cy))
    return side, int(np.clip(left, 0, PIXELS - side)), int(np.clip(top, 0, PIXELS - side))
