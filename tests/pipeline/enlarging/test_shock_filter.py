"""Soft edges become sharp, stay where they are, and nothing else changes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from limelight.pipeline.enlarging.shock_filter import SCALE, shock_enlarged, shock_enlarger
from limelight.pipeline.enlarging.view import enlarged, enlarged_to

CPU = torch.device("cpu")


def discs(side: int) -> torch.Tensor:
    """Two discs of colour on a ground, without jagged edges: 1 3 side side, 0..1."""
    fine = 4 * side
    y, x = torch.meshgrid(*[(torch.arange(fine) + 0.5) / fine] * 2, indexing="ij")
    picture = torch.tensor([0.3, 0.5, 0.9]).view(1, 3, 1, 1).expand(1, 3, fine, fine).clone()
    for colour, middle, radius in (
        ((0.9, 0.1, 0.1), (0.35, 0.4), 0.2),
        ((0.95, 0.8, 0.2), (0.7, 0.65), 0.15),
    ):
        inside = (y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2
        picture = torch.where(inside, torch.tensor(colour).view(1, 3, 1, 1), picture)
    return F.avg_pool2d(picture, 4)


def soft(side: int) -> torch.Tensor:
    """The discs as blurred as a small model draws them."""
    return F.avg_pool2d(F.pad(discs(side), (1, 1, 1, 1), mode="replicate"), 3, 1)


def width_of_edge(row: torch.Tensor) -> int:
    """Pixels between a tenth and nine tenths of the way from the darkest to the brightest."""
    share = (row - row.min()) / (row.max() - row.min())
    return int(((share > 0.1) & (share < 0.9)).sum())


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(-10 * (one - other).square().mean().log10())


def edge(side: int = 32) -> torch.Tensor:
    ramp = ((torch.arange(side) - side / 2 + 0.5) / 2 + 0.5).clamp(0, 1)
    return (0.2 + 0.6 * ramp).expand(1, 3, 12, side).contiguous()


@pytest.mark.parametrize("scale", [2, 4])
def test_an_edge_becomes_sharp_and_stays_where_it_is(scale: int) -> None:
    plain = F.interpolate(edge(), scale_factor=float(scale), mode="bicubic")
    sharp = shock_enlarged(edge(), scale)
    row, before = sharp[0, 0, 6 * scale], plain[0, 0, 6 * scale]
    assert width_of_edge(row) <= width_of_edge(before) / 2
    assert abs(float((row > 0.5).sum() - (before > 0.5).sum())) <= 1
    assert sharp.min() >= 0.2 - 1e-6 and sharp.max() <= 0.8 + 1e-6  # no halo


def test_it_is_nearer_to_the_true_picture_than_interpolation_is() -> None:
    small, true = soft(64), discs(256)
    plain = F.interpolate(small, scale_factor=4.0, mode="bicubic").clamp(0, 1)
    assert psnr(shock_enlarged(small), true) > psnr(plain, true) + 2


def test_one_colour_stays_as_it_is() -> None:
    flat = torch.tensor([0.1, 0.6, 0.9]).view(1, 3, 1, 1).expand(1, 3, 7, 5)
    found = shock_enlarged(flat)
    assert found.shape == (1, 3, 28, 20)
    torch.testing.assert_close(found, flat[..., :1, :1].expand_as(found), atol=1e-6, rtol=0)


def test_mirrored_and_turned_pictures_are_enlarged_alike() -> None:
    small = soft(32)
    found = shock_enlarged(small)
    torch.testing.assert_close(shock_enlarged(small.flip(-1)).flip(-1), found, atol=2e-3, rtol=0)
    torch.testing.assert_close(shock_enlarged(small.mT.contiguous()).mT, found, atol=2e-3, rtol=0)


def test_tiles_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.fromarray((soft(96)[0].permute(1, 2, 0) * 255).round().byte().numpy())
    whole = np.asarray(shock_enlarger(CPU).enlarge(picture, SCALE), int)
    monkeypatch.setattr("limelight.pipeline.enlarging.enlarger.TILE", 40)
    parts = np.asarray(shock_enlarger(CPU).enlarge(picture, SCALE), int)
    assert np.abs(whole - parts).max() <= 1


@pytest.mark.parametrize("size", [(128, 128), (200, 200), (512, 512)])
def test_a_step_gets_no_outline(size: tuple[int, int]) -> None:
    picture = np.full((64, 64, 3), 50, np.uint8)
    picture[:, 32:] = 200
    levels = np.asarray(enlarged(Image.fromarray(picture), size))
    assert levels.min() == 50 and levels.max() == 200


@pytest.mark.parametrize(
    ("size", "wanted"), [((64, 48), (512, 384)), ((300, 200), (512, 341)), ((1, 3), (4, 12))]
)
def test_a_view_has_the_size_that_is_asked_for(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert enlarged(Image.new("RGB", size, "teal"), wanted).getcolors() == [
        (wanted[0] * wanted[1], (0, 128, 128))
    ]


def test_small_pictures_grow_by_whole_numbers_and_large_ones_do_not() -> None:
    assert enlarged_to(Image.new("RGB", (64, 48)), 256).size == (384, 288)
    large = Image.new("RGB", (512, 256))
    assert enlarged_to(large, 256) is large
