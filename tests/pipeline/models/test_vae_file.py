"""A VAE from a file replaces a model's own, or serves a checkpoint without one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.vae_file import find_vae
from limelight.unet import WeightsError
from tests.pipeline.models.single_file.conftest import Checkpoint, checkpoint  # noqa: F401

PREFIX = "first_stage_model."


def draw(name: Path, vae: Path | None = None) -> Image.Image:
    pipe = TextToImagePipeline.from_pretrained(name, device="cpu", vae=vae)
    return pipe("a red apple", seed=1, num_steps=1, width=16, height=16).image


def same(a: Image.Image, b: Image.Image) -> bool:
    return bool((np.asarray(a) == np.asarray(b)).all())


@pytest.fixture
def other(sd_folder: Path, tmp_path: Path) -> Path:
    """A VAE of other weights, in a folder of its own."""
    folder = Path(shutil.copytree(sd_folder / "vae", tmp_path / "other"))
    (path,) = folder.glob("*.safetensors")
    save_file({name: 1.1 * weight for name, weight in load_file(path).items()}, path)
    return folder


def test_a_folders_vae_is_replaced(sd_folder: Path, other: Path, tmp_path: Path) -> None:
    plain, changed = draw(sd_folder), draw(sd_folder, other)
    assert not same(plain, changed)
    assert same(draw(sd_folder, sd_folder), plain)  # a whole model's folder
    assert same(draw(sd_folder, next(other.glob("*.safetensors"))), changed)
    without = Path(shutil.copytree(sd_folder, tmp_path / "without"))
    shutil.rmtree(without / "vae")
    assert same(draw(without, other), changed)
    hashes = {
        TextToImagePipeline.from_pretrained(sd_folder, vae=v).model.hash.result() for v in (None, other)
    }
    assert len(hashes) == 2


def test_a_checkpoint_without_a_vae_takes_one(
    checkpoint: Callable[[str], Checkpoint],  # noqa: F811
    tmp_path: Path,
) -> None:
    whole = checkpoint("sd1")
    path = whole.save(tmp_path / "whole.safetensors")
    parts = {True: {}, False: {}}
    for name, tensor in whole.tensors.items():
        parts[name.startswith(PREFIX)][name] = tensor.contiguous()
    save_file(parts[False], tmp_path / "without.safetensors")
    save_file(parts[True], tmp_path / "vae.safetensors")
    save_file({n.removeprefix(PREFIX): t for n, t in parts[True].items()}, tmp_path / "bare.safetensors")
    expected = draw(path)
    with pytest.raises(ModelError, match=r"without its VAE .*vae= names one of its own"):
        draw(tmp_path / "without.safetensors")
    for name in ("vae.safetensors", "bare.safetensors", "whole.safetensors"):
        assert same(draw(tmp_path / "without.safetensors", tmp_path / name), expected)
    assert same(draw(tmp_path / "without.safetensors", whole.folder), expected)


def test_a_file_that_is_no_vae_is_refused(sd_folder: Path, tmp_path: Path) -> None:
    save_file({"emb_params": torch.ones(2, 2)}, tmp_path / "x.safetensors")
    cases = (
        (tmp_path / "none", ModelError, "does not exist; a VAE is a folder"),
        (tmp_path / "x.safetensors", ModelError, "holds no VAE; the first of 1 keys: emb_params"),
        (sd_folder / "unet", ModelError, "is of a UNet2DConditionModel; supported: AutoencoderKL"),
    )
    for path, cls, message in cases:
        with pytest.raises(cls, match=message):
            find_vae(path, latent_size=64, scaling_factor=1.0)


def test_a_vae_whose_config_is_another_is_refused(other: Path) -> None:
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"layers_per_block": 2}))
    with pytest.raises(WeightsError, match="holds weights of another model than AutoencoderKL"):
        find_vae(other, latent_size=64, scaling_factor=1.0)
