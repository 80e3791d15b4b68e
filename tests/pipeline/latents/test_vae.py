"""Decoding that overflows, does not fit into memory, or gives one colour is handled and recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import NonFinitePicture
from limelight.pipeline.latents.vae import decode, decode_with_notes

FIELDS: dict[str, Any] = {"seed": 7, "num_steps": 2, "width": 24, "height": 16}


@pytest.fixture(scope="module")
def loaded(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", dtype="bfloat16")


@pytest.fixture
def pipe(loaded: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextToImagePipeline]:
    """In half precision; what a test does to its VAE is undone, and must not have changed a weight."""
    before = {name: weight.clone() for name, weight in loaded.model.vae.state_dict().items()}
    yield loaded
    after = loaded.model.vae.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not loaded.model.vae.use_tiling


def break_vae(monkeypatch: pytest.MonkeyPatch, vae: Any, *dtypes: torch.dtype) -> list[torch.dtype]:
    """Lets the decoder overflow in these dtypes; returns a list that grows by the dtype of each decoding."""
    decoder, seen = vae.decoder.forward, []

    def overflow(z: Tensor, *args: Any) -> Tensor:
        seen.append(z.dtype)
        pixels = decoder(z, *args)
        return pixels * torch.inf if z.dtype in dtypes else pixels

    monkeypatch.setattr(vae.decoder, "forward", overflow)
    return seen


def test_a_healthy_vae_decodes_once(pipe: TextToImagePipeline) -> None:
    info = pipe("an apple", **FIELDS).info
    assert (info["vae_retry"], info["vae_tiled"], info["is_constant"]) == (None, False, False)
    assert info["dtype"] == "bfloat16"


def test_overflow_in_half_precision_is_decoded_again_in_float32(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = break_vae(monkeypatch, pipe.model.vae, torch.bfloat16)
    result = pipe("an apple", **FIELDS)
    assert seen == [torch.bfloat16, torch.float32]
    assert result.info["vae_retry"] == "float32"
    assert not result.info["is_constant"]
    assert pipe.model.vae.dtype == torch.bfloat16


def test_overflow_in_float32_too_fails_the_picture(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_vae(monkeypatch, pipe.model.vae, torch.bfloat16, torch.float32)
    with pytest.raises(NonFinitePicture) as error:
        pipe("an apple", **FIELDS)
    assert str(error.value) == (
        "the VAE returned NaN or infinity in bfloat16 and then in float32; nothing was saved"
    )
    assert pipe.model.vae.dtype == torch.bfloat16


def test_a_picture_of_one_colour_is_flagged(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = pipe.model.vae.decoder.forward
    monkeypatch.setattr(pipe.model.vae.decoder, "forward", lambda z, *args: decoder(z, *args) * 0 - 1)
    assert pipe("an apple", **FIELDS).info["is_constant"]


def test_a_large_picture_is_decoded_in_tiles(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    decoder = pipe.model.vae.decoder.forward

    def watched(z: Tensor, *args: Any) -> Tensor:
        shapes.append(tuple(z.shape[2:]))
        return decoder(z, *args)

    monkeypatch.setattr(pipe.model.vae.decoder, "forward", watched)
    monkeypatch.setattr("limelight.pipeline.latents.vae.MAX_WHOLE_PIXELS", 16 * 24 - 1)
    result = pipe("an apple", **FIELDS)
    assert result.info["vae_tiled"]
    assert result.image.size == (24, 16)
    assert len(shapes) > 1
    assert max(max(shape) for shape in shapes) <= 8  # the tiny VAE's sample_size of 16, in latent positions


def test_a_whole_picture_that_does_not_fit_is_decoded_in_tiles(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = pipe.model.vae.decoder.forward

    def small(z: Tensor, *args: Any) -> Tensor:
        if z.shape[-1] > 8:
            raise torch.OutOfMemoryError("out of memory")
        return decoder(z, *args)

    monkeypatch.setattr(pipe.model.vae.decoder, "forward", small)
    assert pipe("an apple", **FIELDS).info["vae_tiled"]


def test_tiles_leave_no_seam(sd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The changes that tiles cause are not concentrated at their borders; without blending they would be."""
    vae = TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model.vae
    vae.tile_sample_min_size, vae.tile_latent_min_size = 64, 32
    latent = torch.randn((1, 4, 72, 72), generator=torch.Generator().manual_seed(0))
    whole = np.asarray(decode(vae, latent), dtype=float)
    monkeypatch.setattr("limelight.pipeline.latents.vae.MAX_WHOLE_PIXELS", 0)

    def seams() -> float:
        """The largest step of the change at a border, against the largest of those well inside tiles."""
        image, notes = decode_with_notes(vae, latent)
        assert notes["vae_tiled"]
        change = np.asarray(image, dtype=float) - whole
        ratios = []
        for axis in (0, 1):
            steps = np.abs(np.diff(change, axis=axis)).mean(axis=(1 - axis, 2))
            borders = [x for start in (48, 96) for x in (start - 1, start)]
            inside = [x for x in range(16, 128) if all(abs(x - border) > 16 for border in borders)]
            ratios.append(steps[borders].max() / steps[inside].max())
        return max(ratios)

    assert seams() < 1.5
    for blend in ("blend_v", "blend_h"):
        monkeypatch.setattr(vae, blend, lambda before, tile, extent: tile)
    assert seams() > 2
