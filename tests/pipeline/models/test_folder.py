"""Folders that are not models, or damaged ones, are refused by name before anything is built."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import ModelError, UnknownName, UsageError
from limelight.pipeline.models.device import choose_device, choose_dtype
from limelight.pipeline.models.locate import DEFAULT_MODEL, locate_model
from limelight.unet import WeightsError


@pytest.fixture
def folder(sd_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sd_folder, tmp_path / "model"))


def load(folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(folder, device="cpu")


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_truncated_file_is_refused_with_both_sizes(folder: Path, part: str) -> None:
    (path,) = (folder / part).glob("*.safetensors")
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.truncate(size - 1)
    with pytest.raises(WeightsError, match=f"{path.name} is {size - 1:,} bytes; needs {size:,}"):
        load(folder)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("rename", [False, True])
def test_a_pickle_is_never_opened(folder: Path, part: str, rename: bool) -> None:
    (path,) = (folder / part).glob("*.safetensors")
    path.unlink()
    path = path if rename else path.with_suffix(".bin")
    path.write_bytes(pickle.dumps(Canary(folder / "canary")))
    with pytest.raises(WeightsError, match="pickle"):
        load(folder)
    assert not (folder / "canary").exists()


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder", "scheduler", "tokenizer"])
def test_a_missing_part_is_named(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    with pytest.raises(ModelError, match=f"has no folder '{part}'; model_index.json names it"):
        load(folder)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_a_missing_weight_is_an_error_not_a_random_number(folder: Path, part: str) -> None:
    from safetensors.torch import load_file, save_file

    (path,) = (folder / part).glob("*.safetensors")
    weights = load_file(path)
    dropped = sorted(weights)[0]
    del weights[dropped]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 missing(.|\n)*" + dropped.removeprefix("text_model.")):
        load(folder)


def test_a_pipeline_of_another_kind_is_refused(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["unet"] = ["diffusers", "UNetMotionModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="unet is a UNetMotionModel; supported: UNet2DConditionModel"):
        load(folder)


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_an_index_that_is_not_json_is_refused(folder: Path, text: str) -> None:
    (folder / "model_index.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"model_index\.json (is not valid JSON|holds a list)"):
        load(folder)


def test_the_hash_is_of_the_content_alone(folder: Path, sd_folder: Path) -> None:
    first = load(folder).model.hash.result()
    assert first == load(sd_folder).model.hash.result()
    (path,) = (folder / "vae").glob("*.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert load(folder).model.hash.result() != first


def test_names_of_models(sd_folder: Path, tmp_path: Path) -> None:
    assert locate_model("default") == DEFAULT_MODEL
    assert locate_model(str(sd_folder)) == sd_folder
    with pytest.raises(
        UnknownName, match=r"unknown model 'defualt' .did you mean 'default'..; valid: default, "
    ):
        locate_model("defualt")
    with pytest.raises(ModelError, match="is a folder without model_index"):
        locate_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(
            (name, "does not exist; give a folder")
            for name in ("./sd-v1-5", "../x", "~/none", "/none", "a/b/c")
        ),
        *((name, "does not exist; give a folder") for name in ("x.safetensors", "models/x.ckpt")),
        ("a" * 5000, "cannot be the path of a model"),
        ("a\0b", "cannot be the path of a model"),
        ("/dev/null", "is neither a file nor a folder"),
        ("owner/na..me", "is no folder here, and no id that a hub model can have"),
    ],
)
def test_a_path_is_not_looked_up_at_the_hub(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(ModelError, match=message) as refusal:
        locate_model(name)
    assert len(str(refusal.value)) < 400


OTHER_FILES = {
    "x.safetensors": (b"\xff\xd8\xff\xe0" + bytes(60), "is a JPEG picture, and no weights"),
    "x.ckpt": (b"\xff\xd8\xff\xe0" + bytes(60), "is a JPEG picture, and no weights"),
    "y.ckpt": (b"\x80", "has 1 bytes, and is no model"),
    "y.safetensors": (b"", "has 0 bytes, and is no model"),
    "z.safetensors": (b"<!DOCTYPE html><html>", "is a web page"),
    "w.safetensors": (b"GGUF" + bytes(60), "is a GGUF file"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_the_message_names_the_kind_of_another_file(tmp_path: Path, name: str) -> None:
    content, message = OTHER_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        load(tmp_path / name)


def test_a_folder_of_one_variant_is_drawn_from(folder: Path, sd_folder: Path) -> None:
    for path in folder.glob("*/*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    for variant in (None, "fp16"):
        pipe = TextToImagePipeline.from_pretrained(folder, device="cpu", variant=variant)
        assert pipe.model.hash.result() == load(sd_folder).model.hash.result()


def test_text_encoders_of_another_model_are_refused(folder: Path) -> None:
    path = folder / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": 32}))
    with pytest.raises(ModelError, match="text encoders give 32 features; its U-Net takes 24"):
        load(folder)


def test_a_hub_model_that_cannot_be_had_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(repo: str, *, allow_patterns: list[str], local_files_only: bool = False) -> str:
        if local_files_only:
            raise huggingface_hub.errors.LocalEntryNotFoundError("not cached")
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        ModelError, match=r"'owner/name' is no folder here, .* could not be downloaded .OSError."
    ):
        locate_model("owner/name")


def test_devices_and_dtypes() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UnknownName, match=r"unknown device 'cuda:99'.*valid: .*cpu"):
        choose_device("cuda:99")
    assert choose_dtype(None, torch.device("cpu")) == torch.float32
    assert choose_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
    with pytest.raises(UnknownName, match="unknown dtype 'fp16'; valid: float32, bfloat16, float16"):
        choose_dtype("fp16", torch.device("cpu"))
    with pytest.raises(UsageError, match="dtype is float16 on the CPU"):
        choose_dtype("float16", torch.device("cpu"))
