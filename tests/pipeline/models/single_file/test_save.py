"""A converted checkpoint is a plain folder: diffusers loads it, draws the same, and so do we."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from limelight.app.cli import main
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import ModelError, OutputError

pytestmark = pytest.mark.filterwarnings(
    "ignore::limelight.pipeline.models.single_file.prediction.PredictionAssumed"
)


@pytest.mark.parametrize("kind", ["sd1", "sd2-v", "sdxl"])
def test_diffusers_draws_the_same_from_a_saved_folder(
    checkpoint: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    import diffusers

    made = checkpoint(kind)
    pipe = TextToImagePipeline.from_pretrained(made.save(tmp_path / "m.safetensors"), device="cpu")
    folder = pipe.save_pretrained(tmp_path / "folder")
    request = GenerationRequest(prompt="a cat", seed=3, num_steps=3, width=24, height=16, guidance_scale=4.0)
    ours = np.asarray(pipe(request).image, dtype=int)
    again = TextToImagePipeline.from_pretrained(folder, device="cpu")
    assert np.array_equal(ours, np.asarray(again(request).image))

    theirs = diffusers.DiffusionPipeline.from_pretrained(folder)
    assert type(theirs).__name__ == made.pipeline
    theirs.set_progress_bar_config(disable=True)
    options = {"width": 24, "height": 16, "num_inference_steps": 3, "guidance_scale": 4.0}
    image = theirs("a cat", generator=torch.Generator().manual_seed(3), **options).images[0]
    assert np.abs(ours - np.asarray(image, dtype=int)).max() <= 1


def test_convert_keeps_the_dtype_and_refuses_a_folder_in_use(
    checkpoint: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = checkpoint("sd1").save(tmp_path / "m.safetensors", dtype=torch.float16)

    def convert() -> None:
        monkeypatch.setattr(sys, "argv", ["limelight", "convert", str(file), str(tmp_path / "folder")])
        main()

    with pytest.raises(SystemExit) as done:
        convert()
    out, err = capfd.readouterr()
    assert (done.value.code, err) == (0, "")
    assert f"{tmp_path / 'folder'}  (sd1, epsilon)" in out
    pipe = TextToImagePipeline.from_pretrained(tmp_path / "folder", device="cpu", dtype="float32")
    assert json.loads((tmp_path / "folder" / "model_index.json").read_text())["vae"][1] == "AutoencoderKL"
    size = sum(path.stat().st_size for path in (tmp_path / "folder").rglob("*.safetensors"))
    assert size < 1.01 * file.stat().st_size
    assert pipe.model.family.guidance_scale == 7.5
    with pytest.raises(SystemExit) as refused:
        convert()
    assert refused.value.code == 2
    assert "exists and is no empty folder; give a new one" in capfd.readouterr().err


def test_a_refused_folder_leaves_nothing_behind(sd_folder: Path, tmp_path: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OutputError):
            pipe.save_pretrained(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_refiner_is_saved_so_that_both_load_it(checkpoint: Callable[[str], Any], tmp_path: Path) -> None:
    import diffusers

    file = checkpoint("sdxl-refiner").save(tmp_path / "m.safetensors")
    pipe = TextToImagePipeline.from_pretrained(file, device="cpu")
    folder = pipe.save_pretrained(tmp_path / "folder")
    theirs = diffusers.DiffusionPipeline.from_pretrained(folder)
    assert type(theirs) is diffusers.StableDiffusionXLImg2ImgPipeline
    assert theirs.config.requires_aesthetics_score and theirs.text_encoder is None
    assert TextToImagePipeline.from_pretrained(folder, device="cpu").model.family == pipe.model.family
    assert np.asarray(pipe("a cat", num_steps=2, width=16, height=16).image).std() > 1


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("sd1-inpainting", "StableDiffusionInpaintPipeline"),
        ("sd1-instruct-pix2pix", "StableDiffusionInstructPix2PixPipeline"),
    ],
)
def test_the_pipeline_follows_the_channels(
    checkpoint: Callable[[str], Any], kind: str, cls: str, tmp_path: Path
) -> None:
    file = checkpoint(kind).save(tmp_path / "m.safetensors")
    folder = TextToImagePipeline.from_pretrained(file, device="cpu").save_pretrained(tmp_path / "folder")
    assert json.loads((folder / "model_index.json").read_text())["_class_name"] == cls


def test_a_name_of_no_file_is_refused_by_convert(tmp_path: Path) -> None:
    from limelight.app.converting import convert

    with pytest.raises(ModelError, match=r"is no file; give a .safetensors checkpoint"):
        convert(tmp_path / "none.safetensors", tmp_path / "folder", dtype=None)
