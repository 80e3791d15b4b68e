import pytest
import torch

from scripts.benchmarks.tools.likeness import C1, psnr, ssim


def test_psnr_is_of_the_mean_square():
    a = torch.full((2, 3, 16, 16), 0.5)
    b = a + torch.tensor([0.1, 0.01])[:, None, None, None]
    torch.testing.assert_close(psnr(a, b), torch.tensor([20.0, 40.0]), atol=1e-3, rtol=0)


def test_ssim_of_flat_pictures_is_that_of_their_means():
    a, b = torch.full((1, 3, 16, 16), 0.4).double(), torch.full((1, 3, 16, 16), 0.7).double()
    expected = (2 * 0.4 * 0.7 + C1) / (0.4**2 + 0.7**2 + C1)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-6)


def test_ssim_is_one_of_a_picture_and_itself_and_falls_as_structure_is_lost():
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    inverse, flat = 1 - picture, picture.mean().expand_as(picture)
    assert ssim(picture, picture).item() == pytest.approx(1)
    assert ssim(picture, inverse).item() < 0 < ssim(picture, flat).item() < 0.1


def test_ssim_is_the_papers_by_hand_at_one_window():
    a, b = torch.rand(2, 1, 1, 11, 11, generator=torch.Generator().manual_seed(1)).double()
    y, x = torch.meshgrid(torch.arange(11) - 5, torch.arange(11) - 5, indexing="ij")
    w = torch.exp(-(x**2 + y**2) / (2 * 1.5**2)).double()
    w = w / w.sum()
    mean = [(w * each).sum() for each in (a, b)]
    var = [(w * (each - mu) ** 2).sum() for each, mu in zip((a, b), mean, strict=True)]
    cov = (w * (a - mean[0]) * (b - mean[1])).sum()
    expected = (2 * mean[0] * mean[1] + 1e-4) * (2 * cov + 9e-4)
    expected /= (mean[0] ** 2 + mean[1] ** 2 + 1e-4) * (var[0] + var[1] + 9e-4)
    assert ssim(a, b).item() == pytest.approx(expected.item(), rel=1e-4)
