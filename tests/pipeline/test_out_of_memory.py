"""A CPU without memory is handled as a GPU is: calls are halved, pictures decoded in tiles."""

from pathlib import Path
from typing import Any

import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import OutOfMemory
from limelight.pipeline.out_of_memory import memory_errors

FULL = (
    "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to allocate"
)


@pytest.mark.parametrize("error", [RuntimeError(FULL), MemoryError(), RuntimeError("std::bad_alloc")])
def test_allocation_errors_of_a_cpu_count_as_out_of_memory(error: Exception) -> None:
    with pytest.raises(torch.OutOfMemoryError), memory_errors():
        raise error


def test_a_cpu_reports_that_it_lacks_memory() -> None:
    with pytest.raises(torch.OutOfMemoryError), memory_errors():
        torch.empty(2**58)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes") as error, memory_errors():
        raise RuntimeError("shapes cannot be multiplied")
    assert not isinstance(error.value, torch.OutOfMemoryError)


@pytest.fixture
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=8)


def requests() -> list[GenerationRequest]:
    return [GenerationRequest(prompt="a cat", seed=i, num_steps=2, width=16, height=16) for i in range(4)]


def test_calls_are_halved(pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = pipe.model.unet.forward

    def small(x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        if len(x) > 2:
            raise RuntimeError(FULL)
        return forward(x, *arguments, **options)

    monkeypatch.setattr(pipe.model.unet, "forward", small)
    session = pipe.engine.session()
    for request in requests():
        session.add(request)
    assert session.step() == session.step() == []  # 8 rows, then 4
    assert session.max_rows == 2
    assert len(session.step()) == 1


def test_a_picture_is_decoded_in_tiles_or_fails(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, vae = pipe.model.vae.decode, pipe.model.vae

    def small(*arguments: Any, **options: Any) -> Any:
        if not vae.use_tiling:
            raise RuntimeError(FULL)
        return decode(*arguments, **options)

    monkeypatch.setattr(vae, "decode", small)
    assert pipe(requests()[0]).info["vae_tiled"]

    def none(*arguments: Any, **options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(vae, "decode", none)
    with pytest.raises(OutOfMemory, match="not enough memory to decode a tile"):
        pipe(requests()[0])
