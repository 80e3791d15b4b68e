"""FreeU against diffusers' own; rows without it in the same call are unchanged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.utils.torch_utils import fourier_filter

from limelight.unet import DeepCacheUNet, DeepFeature
from limelight.unet.fast.fast_unet import optimize
from limelight.unet.freeu import FreeU, lowest

SIZE = (10, 16)  # of the latent, height and width
FACTORS = {"s1": 0.9, "s2": 0.2, "b1": 1.5, "b2": 1.6}
ROWS = FreeU(torch.tensor([1]), torch.tensor([[1.5, 1.6]]), torch.tensor([[0.9, 0.2]]))


@torch.inference_mode()
@pytest.mark.parametrize("variant", ["sd1", "sdxl"])
def test_one_row_is_diffusers_freeu_and_its_neighbours_have_none(
    variant: str, saved: Callable[[str], Path], inputs: Callable[..., Any], tmp_path: Path
) -> None:
    unet = DeepCacheUNet.from_pretrained(saved(variant))
    arguments, their_arguments = inputs(unet.config, batch=3, height=SIZE[0], width=SIZE[1])
    theirs = UNet2DConditionModel.from_pretrained(saved(variant))
    plain = theirs(**their_arguments).sample
    theirs.enable_freeu(**FACTORS)
    expected = theirs(**their_arguments).sample
    fast = optimize(unet, timings_file=tmp_path / "timings.json")
    for model in (unet, fast):
        for _ in range(3):
            ours = model(**arguments, freeu=ROWS)
            assert (ours[1] - expected[1]).abs().max() <= 1e-5 * max(1, expected.abs().max())
            assert (ours[::2] - plain[::2]).abs().max() <= 1e-5 * max(1, plain.abs().max())
        deep = DeepFeature()
        for _ in range(2):  # stored, and taken
            again = model(**arguments, freeu=ROWS, deep=deep)
            assert (again - ours).abs().max() <= 1e-5
    assert (plain[1] - expected[1]).abs().max() > 1e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (3, 8), (10, 16)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_filter_is_that_of_a_fourier_transform(size: tuple[int, int], dtype: torch.dtype) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0)).to(dtype)
    ours = x.float() + (0.3 - 1) * lowest(x).float()
    rounding = 2 * torch.finfo(dtype).eps * x.abs().max()
    assert (ours - fourier_filter(x, 1, 0.3).float()).abs().max() <= max(rounding, 2e-6)
