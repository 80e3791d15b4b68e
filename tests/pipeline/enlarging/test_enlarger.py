"""Tiles change nothing, sizes are exact, and values that are not finite are an error."""

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from limelight.pipeline.enlarging.enlarger import OVERLAP, TILE, Enlarger, tiles
from limelight.pipeline.errors import PictureError

CPU = torch.device("cpu")


def repeating(scale: int):
    """A network that repeats pixels, and refuses sides that are odd."""

    def network(x: torch.Tensor) -> torch.Tensor:
        assert x.shape[2] % 2 == x.shape[3] % 2 == 0
        return F.interpolate(x, scale_factor=float(scale))

    return network


def enlarger(scale: int, network=None) -> Enlarger:
    return Enlarger("net", "0", network or repeating(scale), scale, 2, CPU)


def coloured(width: int, height: int) -> Image.Image:
    pixels = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
    return Image.fromarray(pixels.numpy())


@pytest.mark.parametrize("size", [(7, 5), (TILE, 3), (TILE + 1, 2 * TILE + 31)])
@pytest.mark.parametrize("scale", [2, 4])
def test_every_pixel_is_enlarged_in_its_place(scale: int, size: tuple[int, int]) -> None:
    image = coloured(*size)
    expected = image.resize((size[0] * scale, size[1] * scale), Image.Resampling.NEAREST)
    assert enlarger(scale).enlarge(image, scale).tobytes() == expected.tobytes()


def test_a_network_of_another_factor_runs_again_or_is_reduced() -> None:
    image = coloured(6, 4)
    assert enlarger(2).enlarge(image, 4).tobytes() == enlarger(4).enlarge(image, 4).tobytes()
    assert enlarger(4).enlarge(image, 2).size == (12, 8)
    assert enlarger(2).enlarge(image, 3).size == (18, 12)


def test_a_flat_picture_keeps_its_colour_at_every_factor() -> None:
    for factor in (2, 3, 4):
        large = enlarger(4).enlarge(Image.new("RGB", (5, 9), (10, 200, 30)), factor)
        assert large.getcolors() == [(45 * factor**2, (10, 200, 30))]


def test_seams_cannot_be_seen() -> None:
    """A network that looks at its neighbours gives in tiles what it gives at once."""
    blur = torch.nn.Conv2d(3, 3, 2 * OVERLAP + 1, padding=OVERLAP, groups=3, padding_mode="replicate")
    torch.nn.init.constant_(blur.weight, 1 / (2 * OVERLAP + 1) ** 2)
    torch.nn.init.zeros_(blur.bias)
    image = coloured(TILE + 40, 30)
    pixels = torch.tensor(bytearray(image.tobytes())).view(1, 30, TILE + 40, 3).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        whole = F.interpolate(blur(pixels), scale_factor=2.0)[0]
    expected = (whole * 255).round().to(torch.uint8).permute(1, 2, 0)
    found = enlarger(2, lambda x: F.interpolate(blur(x), scale_factor=2.0)).enlarge(image, 2)
    difference = torch.tensor(bytearray(found.tobytes())).view_as(expected).int() - expected.int()
    assert difference.abs().max() <= 1


def test_tiles_fill_a_side() -> None:
    parts = [*tiles(2 * TILE + 1)]
    assert [inner.start for inner, _ in parts] == [0, TILE, 2 * TILE]
    assert parts[-1][0].stop == 2 * TILE + 1
    assert all(seen.start <= inner.start < inner.stop <= seen.stop for inner, seen in parts)


def test_values_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(PictureError, match="'net' gave values that are not finite"):
        enlarger(2, lambda x: repeating(2)(x) * float("nan")).enlarge(coloured(4, 4), 2)
