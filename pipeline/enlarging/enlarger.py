"""Enlarges pictures tile by tile: the memory of the network does not depend on their size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import PictureError

TILE = 256  # pixels of a picture's side that are enlarged at once
OVERLAP = 16  # pixels around a tile that the network sees, and that are cut off
Network = Callable[[Float[Tensor, "b 3 h w"]], Float[Tensor, "b 3 fh fw"]]


@dataclass(frozen=True, slots=True, eq=False)
class Enlarger:
    """A network that enlarges pictures.

    Attributes:
        name: of its file, for the record.
        sha256: of its file; None of one that needs no file.
        network: pictures of range 0..1 -> `scale` times the side; parts of pictures as well.
        multiple: sides of what it takes are multiples of this.
        device: of the network.
    """

    name: str
    sha256: str | None
    network: Network
    scale: int
    multiple: int
    device: torch.device

    def record(self, image: Image.Image, factor: int) -> dict[str, Any]:
        """What a picture's record says of it: both sizes, and what enlarged it."""
        width, height = image.size
        about = {"from": [width, height], "to": [width * factor, height * factor], "by": self.name}
        return about | ({"sha256": self.sha256} if self.sha256 else {})

    @torch.inference_mode()
    def enlarge(self, image: Image.Image, factor: int) -> Image.Image:
        """An RGB picture of `factor` times the side.

        The network runs until the picture is large enough. Where it is too large, it is resampled by a filter
        without negative weights, which adds no halos.

        Raises:
            PictureError: the network gave values that are not finite.
        """
        size = (image.width * factor, image.height * factor)
        pixels = torch.tensor(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
        x = pixels.view(1, image.height, image.width, 3).permute(0, 3, 1, 2).float() / 255
        while x.shape[-1] < size[0]:
            x = self._once(x)
        if not bool(x.isfinite().all()):
            raise PictureError(f"the enlarger {self.name!r} gave values that are not finite")
        levels = (x[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        large = Image.fromarray(levels.numpy())
        return large if large.size == size else large.resize(size, Image.Resampling.HAMMING)

    def _once(self, x: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 fh fw"]:
        height, width = x.shape[2:]
        out = x.new_empty(1, 3, height * self.scale, width * self.scale)
        for rows, seen_rows in tiles(height):
            for columns, seen_columns in tiles(width):
                part = self._part(x[:, :, seen_rows, seen_columns])
                inner = part[:, :, self._within(rows, seen_rows), self._within(columns, seen_columns)]
                out[:, :, self._scaled(rows), self._scaled(columns)] = inner
        return out

    def _part(self, x: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 3 fh fw"]:
        height, width = x.shape[2:]
        below, right = -height % self.multiple, -width % self.multiple
        padded = F.pad(x, (0, right, 0, below), mode="replicate").to(self.device)
        return self.network(padded).float().cpu()[:, :, : height * self.scale, : width * self.scale]

    def _scaled(self, part: slice) -> slice:
        return slice(part.start * self.scale, part.stop * self.scale)

    def _within(self, part: slice, seen: slice) -> slice:
        return slice((part.start - seen.start) * self.scale, (part.stop - seen.start) * self.scale)


def tiles(side: int) -> Iterator[tuple[slice, slice]]:
    """The tiles along a side of so many pixels: what each fills, and what the network sees of it."""
    for start in range(0, side, TILE):
        end = min(side, start + TILE)
        yield slice(start, end), slice(max(0, start - OVERLAP), min(side, end + OVERLAP))
