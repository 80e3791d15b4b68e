"""All tiles in all sizes as one table of pixels, from which things are gathered at any place, size and
angle."""

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from scripts.second.world.layout import PIXELS, Layout
from scripts.world.tint import LUMA, tint_layers

SIDES = (256, 192, 128, 96, 72, 54, 40, 30, 22)  # those that are no larger than the tiles
SOLID = 0.5


class Atlas:
    """Table of uint8 rows, premultiplied: native rgb, alpha, tinted base rgb, tint (`scripts.world.tint`).

    `extents[art, noun]`: width, height, top over the middle as shares of the tile's side;
    `tones[art, noun]`: the dark and the light end of the art.
    """

    def __init__(self, tiles: np.ndarray, device: str | torch.device = "cpu"):
        arts, nouns, largest = tiles.shape[:3]
        sides = [side for side in SIDES if side <= largest]
        rows, starts, offset = [np.zeros((1, 8), np.uint8)], np.zeros((arts, nouns, len(sides)), np.int64), 1
        self.extents = np.zeros((arts, nouns, 3), np.float32)
        tones = np.zeros((arts, nouns, 2), np.float32)
        for art in range(arts):
            for noun in range(nouns):
                layers = tint_layers(tiles[art, noun])
                self.extents[art, noun] = extent(layers[..., 3])
                tones[art, noun] = _tones(layers)
                for index, side in enumerate(sides):
                    starts[art, noun, index] = offset
                    rows.append(_shrink(layers, side).reshape(-1, 8))
                    offset += side * side
        self.table = torch.from_numpy(np.concatenate(rows)).to(device)
        self.starts = torch.from_numpy(starts).to(device)
        self.tones = torch.from_numpy(tones).to(device)
        self.sides = torch.tensor(sides, device=device)

    def gather(self, layout: Layout, slot: int, grid: Float[Tensor, " h"]) -> Float[Tensor, "b h w 8"]:
        """The thing in a slot on the whole canvas, 0..1, premultiplied, with bilinear sampling.

        Args:
            grid: where the canvas has its pixels, in the layout's.
        """
        x, y = (values[:, slot, None, None] for values in (layout.x, layout.y))
        side, angle = (values[:, slot, None, None] for values in (layout.side, layout.angle))
        noun = layout.noun[:, slot]
        density = len(grid) / PIXELS
        level = (self.sides[None] >= side[:, 0] * density).sum(1).sub(1).clamp(min=0)
        start = self.starts[layout.art, noun.clamp(min=0), level][:, None, None]
        tile = self.sides[level][:, None, None]
        right, down = grid[None, None, :] - x, grid[None, :, None] - y
        scale = tile / side.clamp(min=1)
        cos, sin = angle.cos(), angle.sin()
        column = (cos * right + sin * down) * scale + tile / 2 - 0.5
        row = (cos * down - sin * right + layout.lift[:, slot, None, None] * side) * scale + tile / 2 - 0.5
        left, top = column.floor(), row.floor()
        across, along = (column - left)[..., None], (row - top)[..., None]
        upper = torch.lerp(*(self._at(start, tile, top, left + i, noun) for i in (0, 1)), across)
        lower = torch.lerp(*(self._at(start, tile, top + 1, left + i, noun) for i in (0, 1)), across)
        return torch.lerp(upper, lower, along) / 255

    def _at(
        self, start: Tensor, tile: Tensor, row: Tensor, column: Tensor, noun: Int[Tensor, " b"]
    ) -> Tensor:
        inside = (row >= 0) & (row < tile) & (column >= 0) & (column < tile) & (noun >= 0)[:, None, None]
        index = torch.where(inside, start + (row * tile + column).long(), 0)
        return self.table[index].float()


def extent(alpha: Float[np.ndarray, "h w"]) -> tuple[float, float, float]:
    """Width, height, and height over the middle fifth of the opaque part, as shares of the side; all art
    stands on the lower edge."""
    drawn = alpha > SOLID
    columns, rows = np.flatnonzero(drawn.any(0)), np.flatnonzero(drawn.any(1))
    size = len(alpha)
    middle = np.flatnonzero(drawn[:, int(0.4 * size) : int(0.6 * size)].any(1))
    top = middle[0] if len(middle) else rows[0]
    return (
        2 * max(abs(columns[0] - size / 2), abs(columns[-1] + 1 - size / 2)) / size,
        (size - rows[0]) / size,
        (size - top) / size,
    )


def _tones(layers: np.ndarray) -> np.ndarray:
    solid = layers[..., 3] > 0.9
    luma = (layers[..., :3] @ LUMA)[solid]
    return np.quantile(luma, [0.03, 0.97]) if len(luma) else np.array([0.0, 1.0])


def _shrink(layers: np.ndarray, side: int) -> np.ndarray:
    whole = (np.clip(layers, 0, 1) * 255).round().astype(np.uint8)
    halves = [
        Image.fromarray(np.ascontiguousarray(whole[..., part]), "CMYK") for part in (np.s_[:4], np.s_[4:])
    ]
    small = [half.resize((side, side), Image.Resampling.BOX, reducing_gap=None) for half in halves]
    return np.concatenate([np.asarray(half) for half in small], -1)  # CMYK only because it has four planes
