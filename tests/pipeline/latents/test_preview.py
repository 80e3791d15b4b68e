"""Previews: they take next to no time, and resemble the final picture."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.latents.preview import Preview, leaves
from limelight.pipeline.latents.vae import decode, encode
from limelight.pipeline.results.result import Step


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


@pytest.fixture(scope="module")
def steps(pipe: TextToImagePipeline) -> list[Step]:
    asked = GenerationRequest(prompt="a red apple on a blue background", seed=1, num_steps=12)
    return list(pipe.stream([asked]))


def psnr(a: object, b: object) -> float:
    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    return float(10 * np.log10(255**2 / (difference**2).mean()))


def test_every_step_has_a_preview_as_large_as_the_picture(steps: list[Step]) -> None:
    assert [step.preview().size for step in steps] == [steps[-1].result.image.size] * 12


def test_previews_near_the_picture(steps: list[Step]) -> None:
    picture = steps[-1].result.image
    first, last = psnr(steps[0].preview(), picture), psnr(steps[-1].preview(), picture)
    assert last > 17 > first


def test_a_preview_is_like_what_the_vae_decodes(pipe: TextToImagePipeline, steps: list[Step]) -> None:
    drawn = steps[-1].result.image
    picture = np.asarray(drawn, dtype=np.float32)[: drawn.height * 3 // 4] / 127.5 - 1  # wider than high
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None]
    latent = encode(pipe.model.vae, pixels, None) * pipe.model.vae.config.scaling_factor
    rough, whole = pipe.model.preview.draw(latent), decode(pipe.model.vae, latent)
    assert rough.size == whole.size == (drawn.width, drawn.height * 3 // 4)
    assert psnr(rough, whole) > 17


def test_a_vae_that_overflows_in_half_precision_is_read_in_float32(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = copy.deepcopy(pipe.model.vae).bfloat16()
    encoder, seen = vae.encoder.forward, []

    def overflow(pixels: Tensor) -> Tensor:
        seen.append(pixels.dtype)
        return encoder(pixels) * (torch.inf if pixels.dtype == torch.bfloat16 else 1)

    monkeypatch.setattr(vae.encoder, "forward", overflow)
    side = 4 * pipe.model.latent_factor
    assert Preview(vae).draw(torch.zeros(1, *pipe.model.latent_shape(side, side))).size == (side, side)
    assert seen == [torch.bfloat16, torch.float32]
    assert vae.dtype == torch.bfloat16


def test_leaves_are_always_the_same_and_of_many_colours() -> None:
    assert torch.equal(leaves(64), leaves(64))
    assert 0 <= leaves(64).min() < 0.1 and 0.9 < leaves(64).max() <= 1
