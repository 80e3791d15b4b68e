"""The work of a worker around sampling: batch sizes, prefetched prompts, lack of memory, offload."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.batch import capacity
from limelight.pipeline.batch.capacity import find_max_rows
from limelight.pipeline.sampling.engine import Session
from limelight.pipeline.text.clip_encoder import ClipEncoder
from tests.pipeline.batch.conftest import pictures, write_rows
from tests.pipeline.batch.test_faults import run_here

ROWS = [f"a cat {seed},{seed},3" for seed in range(8)]


@pytest.fixture
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=4)


def threads_of(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> list[tuple[str, tuple[object, ...]]]:
    """Thread and arguments of each call of a method from now on."""
    calls: list[tuple[str, tuple[object, ...]]] = []
    work: Callable[..., Any] = getattr(owner, name)

    def noted(*arguments: Any, **options: Any) -> Any:
        calls.append((threading.current_thread().name, arguments))
        return work(*arguments, **options)

    monkeypatch.setattr(owner, name, noted)
    return calls


def test_prompts_are_encoded_once_and_those_drawn_later_in_a_thread_of_their_own(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threads_of(ClipEncoder, "encode", monkeypatch)
    run_here(pipe, write_rows(tmp_path / "m.csv", ROWS), tmp_path / "out")
    encoded = [(str(text), thread.startswith("prefetch")) for thread, (_, text) in asked]
    assert sorted(text for text, _ in encoded) == ["", *(f"a cat {seed}" for seed in range(8))]
    assert any(is_ahead for text, is_ahead in encoded if text)


def test_with_parts_that_take_turns_nothing_runs_beside_sampling(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe.model.unet.execution_device = torch.device("cpu")  # as `take_turns` leaves it
    asked = threads_of(pipe.model.text, "prompt", monkeypatch)
    decoded = threads_of(pipe.model.vae, "decode", monkeypatch)
    run = run_here(pipe, write_rows(tmp_path / "m.csv", ROWS[:3]), tmp_path / "out")
    assert run.num_done == 3
    assert {thread for thread, _ in [*asked, *decoded]} == {"MainThread"}


def test_with_too_little_memory_the_same_pictures_go_on_fewer_at_a_time(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    pipe.engine.max_rows = 8
    run_here(pipe, manifest, tmp_path / "whole")
    pipe.engine.max_rows = 8
    forward, calls = pipe.model.unet.forward, list[int]()

    def limited(x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        calls.append(len(x))
        if len(x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(x, *arguments, **options)

    monkeypatch.setattr(pipe.model.unet, "forward", limited)
    run = run_here(pipe, manifest, tmp_path / "out")
    assert (run.num_done, run.failed) == (8, {})
    assert calls[:2] == [8, 4] and calls.count(2) == 8 * 3  # no step is made twice
    ours, theirs = pictures(tmp_path / "out"), pictures(tmp_path / "whole")
    assert ours.keys() == theirs.keys()
    assert all(np.abs(ours[name] - theirs[name]).max() <= 1 for name in ours)


def test_a_picture_that_does_not_fit_decoded_fails_alone(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, calls = pipe.model.vae.decode, list[int]()

    def limited(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) <= 2:  # whole, and then in tiles
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nAnd so on.")
        return decode(*arguments, **options)

    monkeypatch.setattr(pipe.model.vae, "decode", limited)
    run = run_here(pipe, write_rows(tmp_path / "m.csv", ROWS[:3]), tmp_path / "out")
    assert run.num_done == 2
    assert list(run.failed.values()) == [
        "not enough memory to decode a tile of the picture: CUDA out of memory. Tried to allocate 2.00 GiB."
    ]


def test_a_row_whose_image_does_not_fit_beside_others_begins_when_they_are_done(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "image.png")
    rows = [f"{row},{tmp_path / 'image.png'}" for row in ROWS[:2]]
    header = "prompt,seed,num_steps,image"
    encode, session = pipe.model.vae.encode, pipe.engine.session
    sessions: list[Session] = []

    def opened(*, later: bool) -> Session:
        sessions.append(session(later=later))
        return sessions[-1]

    refusals = []

    def limited(*arguments: Any, **options: Any) -> Any:
        if sessions[-1].is_busy:
            refusals.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return encode(*arguments, **options)

    monkeypatch.setattr(pipe.engine, "session", opened)
    monkeypatch.setattr(pipe.model.vae, "encode", limited)
    run = run_here(pipe, write_rows(tmp_path / "m.csv", rows, header), tmp_path / "out")
    assert (run.num_done, run.failed) == (2, {}) and refusals


@pytest.mark.parametrize(("side", "pictures_at_a_time"), [(16, 8), (512, 2), (1024, 1)])
def test_on_a_cpu_the_larger_the_pictures_the_fewer_at_a_time(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch, side: int, pictures_at_a_time: int
) -> None:
    monkeypatch.setattr(type(pipe.model), "latent_factor", 8)  # of the tiny model it is smaller
    request = GenerationRequest(prompt="a cat", width=side, height=side)
    assert find_max_rows(pipe.engine, request) == 2 * pictures_at_a_time


@pytest.mark.parametrize(
    ("peaks", "free", "most"),
    [
        ({1: 400, 2: 500}, 1000, 5),  # 850 for all; 400 for the first, 100 for each of four more
        ({1: 900, 2: 1800}, 1000, 1),
        ({1: 10, 2: 10}, 1000, capacity.MOST),
    ],
)
def test_on_a_gpu_as_many_at_a_time_as_its_own_memory_holds(
    pipe: TextToImagePipeline,
    monkeypatch: pytest.MonkeyPatch,
    peaks: dict[int, int],
    free: int,
    most: int,
) -> None:
    device = torch.device("cuda", 3)
    asked: list[object] = []

    def printed(value: Any) -> Callable[[object], Any]:
        return lambda device: (asked.append(device), value)[1]

    pipe.model.unet.execution_device = device
    monkeypatch.setattr(capacity, "_peak", lambda engine, request, pictures: peaks[pictures])
    monkeypatch.setattr(torch.cuda, "mem_get_info", printed((free - 50, 0)))
    monkeypatch.setattr(torch.cuda, "memory_reserved", printed(250))
    monkeypatch.setattr(torch.cuda, "memory_allocated", printed(200))
    assert find_max_rows(pipe.engine, GenerationRequest(prompt="a cat")) == 2 * most
    assert asked == [device] * 3  # and not of whichever GPU is the process's usual one
