"""If memory is too small for a call, pictures continue with fewer at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import OutOfMemory
from limelight.pipeline.sampling import job


@pytest.fixture
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=8)


def limit_rows(pipe: TextToImagePipeline, most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has the U-Net run out of memory above so many rows; returns the rows of each call."""
    calls: list[int] = []
    forward = pipe.model.unet.forward

    def limited(x: torch.Tensor, *arguments: object, **options: object) -> torch.Tensor:
        calls.append(len(x))
        if len(x) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nAnd so on.")
        return forward(x, *arguments, **options)

    monkeypatch.setattr(pipe.model.unet, "forward", limited)
    return calls


def test_the_batch_is_halved_and_the_same_pictures_go_on(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = GenerationRequest(prompt="a cat", num_steps=3, record="grid").repeated(4)
    expected = pipe(requests)
    calls = limit_rows(pipe, 4, monkeypatch)
    results = pipe(requests)
    assert calls == [8] + [4] * 6  # no step is made twice
    for ours, theirs in zip(results, expected, strict=True):
        difference = np.asarray(ours.image, dtype=int) - np.asarray(theirs.image, dtype=int)
        assert np.abs(difference).max() <= 1
        assert np.allclose(ours.maps.word("cat"), theirs.maps.word("cat"), atol=1e-5)


def test_another_session_keeps_its_rows(pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = GenerationRequest(prompt="a cat", num_steps=3).repeated(4)
    one, other = pipe.engine.session(), pipe.engine.session()
    for request in requests:
        one.add(request)
        other.add(request)
    with monkeypatch.context() as context:
        limit_rows(pipe, 4, context)
        assert one.step() == []
    assert (one.max_rows, other.max_rows, pipe.engine.max_rows) == (4, 8, 8)
    assert len(one.step()) == 2
    assert len(other.step()) == 4
    assert pipe.engine.session().max_rows == 8


def test_a_session_recovers_when_memory_is_there_again(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CALLS_TO_RECOVER", 3)
    session = pipe.engine.session()
    for request in GenerationRequest(prompt="a cat", num_steps=20).repeated(4):
        session.add(request)
    with monkeypatch.context() as context:
        assert limit_rows(pipe, 2, context) == []
        assert session.step() == session.step() == []  # 8 rows, then 4
    limits = []
    for _ in range(7):
        assert session.step()
        limits.append(session.max_rows)
    assert limits == [2, 2, 4, 4, 4, 8, 8]


def test_a_picture_without_memory_fails_and_says_so(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_rows(pipe, 1, monkeypatch)
    steps = list(pipe.stream(GenerationRequest(prompt="a cat", num_steps=2).repeated(3)))
    assert all(isinstance(step.error, OutOfMemory) for step in steps) and len(steps) == 3
    assert "not enough memory for one picture of this size: CUDA out of memory. Tried to" in str(
        steps[0].error
    )
    assert "\n" not in str(steps[0].error)


def limit_encoder(pipe: TextToImagePipeline, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the VAE run out of memory when it encodes images wider than so many pixels."""
    forward = pipe.model.vae.encoder.forward

    def limited(pixels: torch.Tensor) -> torch.Tensor:
        if pixels.shape[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nAnd so on.")
        return forward(pixels)

    monkeypatch.setattr(pipe.model.vae.encoder, "forward", limited)


def test_a_second_pass_that_does_not_fit_whole_begins_from_tiles(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limit_encoder(pipe, 16, monkeypatch)  # a tile of the tiny VAE
    result = pipe(GenerationRequest(prompt="a cat", width=16, height=16, num_steps=2, hires_scale=2))
    assert result.image.size == (32, 32)
    assert "an image of 32 x 32 pixels, too many at once, is encoded in tiles" in caplog.text


def test_a_second_pass_without_memory_for_a_tile_fails_and_the_others_go_on(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_encoder(pipe, 4, monkeypatch)
    small = GenerationRequest(prompt="a cat", width=16, height=16, num_steps=2)
    steps = list(pipe.stream([replace(small, hires_scale=2), small]))
    last = {step.id: step for step in steps if step.is_last}
    assert str(last[0].error) == (
        "not enough memory to encode a tile of the image: CUDA out of memory. Tried to allocate 2.00 GiB."
    )
    assert last[1].result is not None and last[1].result.image.size == (16, 16)
