"""Winograd convolutions against torch's."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from limelight.unet.fast import winograd


@pytest.mark.parametrize(("whole", "most"), [(16, 16), (16, 5), (7, 3), (3, 1), (5, 0), (1, 9)])
def test_parts_are_alike_and_cover_all(whole, most):
    parts = list(winograd._parts(whole, most))
    assert len({part.stop - part.start for part in parts}) == 1
    assert parts[0].stop <= max(1, most) and parts[-1].stop == whole
    assert all(before.stop >= part.start for before, part in pairwise(parts))


@torch.inference_mode()
@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("size", [(1, 8, 8), (2, 7, 13), (3, 1, 2), (1, 64, 33)])
@pytest.mark.parametrize("scratch", [2**23, 1])  # all at once, and a row of tiles or a few filters at a time
def test_it_is_the_convolution(m, size, scratch, monkeypatch):
    monkeypatch.setattr(winograd, "_MIN_TILES", 1)
    monkeypatch.setattr(winograd, "_MAX_SCRATCH", scratch)
    monkeypatch.setattr(winograd, "_MAX_FILTERS", scratch)
    monkeypatch.setattr(winograd, "_MAX_UNCACHED", scratch)
    b, h, w = size
    random = torch.Generator().manual_seed(0)
    x = torch.randn(b, 24, h, w, generator=random).contiguous(memory_format=torch.channels_last)
    weight, bias = torch.randn(40, 24, 3, 3, generator=random), torch.randn(40, generator=random)
    expected = F.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    for found in (
        winograd.convolve(x, winograd.Filters(weight, bias, m)),
        winograd.convolve_uncached(x, weight.contiguous(memory_format=torch.channels_last), bias, m),
    ):
        assert found.shape == expected.shape
        assert (found - expected).abs().max() / expected.abs().max() <= {2: 1e-6, 4: 1e-5}[m]
