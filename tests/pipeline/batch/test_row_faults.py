"""A failure of a row in encoding, sampling, decoding or saving fails that row alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.batch import writer
from limelight.pipeline.sampling.engine import Session
from tests.pipeline.batch.conftest import write_rows
from tests.pipeline.batch.test_faults import run_here

ROWS = [f"a cat {seed},{seed},2" for seed in range(6)]
BAD = 3


@pytest.fixture(scope="module")
def loaded(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=4)


def assert_one_failed(pipe: TextToImagePipeline, tmp_path: Path, reason: str) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    run = run_here(pipe, manifest, tmp_path / "out")
    assert [*run.failed.values()] == [reason]
    assert run.num_done == 5 == len(list((tmp_path / "out").glob("*.png")))


def test_encoding(loaded: TextToImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompt = loaded.model.text.prompt

    def broken(text: str, **options: Any) -> Any:
        if text == f"a cat {BAD}":
            raise StopIteration
        return prompt(text, **options)

    monkeypatch.setattr(
        type(loaded.model.text), "prompt", lambda self, text, **options: broken(text, **options)
    )
    assert_one_failed(loaded, tmp_path, "StopIteration: ")


def noise_of(pipe: TextToImagePipeline, seed: int) -> torch.Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, *pipe.model.latent_shape(16, 16)), generator=generator)[0, 0, 0, 0]


def test_sampling(loaded: TextToImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, step = noise_of(loaded, BAD), Session.step

    def broken(self: Session) -> Any:
        if any((job.asked.x[:, 0, 0, 0] == bad).any() for job in self._jobs):
            raise KeyError("a bug")
        return step(self)

    monkeypatch.setattr(Session, "step", broken)
    assert_one_failed(loaded, tmp_path, "KeyError: 'a bug'")


def test_decoding(loaded: TextToImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode, calls = loaded.model.vae.decode, []

    def broken(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == BAD:
            raise AssertionError("a bug")
        return decode(*arguments, **options)

    monkeypatch.setattr(loaded.model.vae, "decode", broken)
    assert_one_failed(loaded, tmp_path, "AssertionError: a bug")


def test_saving(loaded: TextToImagePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = writer.save_png

    def broken(image: Any, info: dict[str, Any], path: Path) -> Path:
        if info["request"]["seed"] == BAD:
            raise TypeError("a bug")
        return save(image, info, path)

    monkeypatch.setattr(writer, "save_png", broken)
    assert_one_failed(loaded, tmp_path, "TypeError: a bug")


def test_a_damaged_picture_does_not_end_the_next_run(loaded: TextToImagePipeline, tmp_path: Path) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS[:3])
    run_here(loaded, manifest, tmp_path / "out")
    first, second, _ = sorted((tmp_path / "out").glob("*.png"))
    first.write_bytes(bytes(first.stat().st_size))
    data = bytearray(second.read_bytes())
    at = data.index(b"IDAT") + 20  # of the pixels: not found by a look at its chunks
    data[at] ^= 0xFF
    second.write_bytes(data)
    run = run_here(loaded, write_rows(tmp_path / "m.csv", ROWS[:4]), tmp_path / "out")
    assert (run.num_done, run.num_missing, run.failed) == (4, 1, {})
    assert first.read_bytes()[:4] == b"\x89PNG"
