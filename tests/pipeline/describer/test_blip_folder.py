"""Folders that hold no BLIP, or not all of one, are refused in words."""

import json
import os
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch

from limelight.pipeline.describer.load import load_describer
from limelight.pipeline.errors import ModelError, UnknownName

Make = Callable[..., Path]
HUB = ("model.safetensors", "vocab.txt", "pytorch_model.bin")  # files of a repository


def copied(folder: Path, to: Path, **config: object) -> Path:
    """A copy with other options in its configuration."""
    shutil.copytree(folder, to)
    options = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(options | config))
    return to


def test_folders_of_other_models_are_refused(blip_folder: Make, tmp_path: Path) -> None:
    folder = blip_folder("captions")
    cases = {
        "llama": (
            {"model_type": "llama"},
            "holds a model of type 'llama'; a describer is `default`, or a BLIP",
        ),
        "matching": (
            {"architectures": ["BlipForImageTextRetrieval"]},
            r"architectures \['BlipForImageTextRetrieval'\], which writes nothing; a describer is",
        ),
        "other": ({"architectures": ["BlipForQuestionAnswering"]}, "lacks 56 weights of BlipForQuestionAnsw"),
    }
    for name, (config, message) in cases.items():
        with pytest.raises(ModelError, match=message):
            load_describer(copied(folder, tmp_path / name, **config))
    with pytest.raises(ModelError, match=r"has no config.json; a describer is"):
        load_describer(tmp_path)
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(ModelError, match="is an image model in diffusers layout; a describer is"):
        load_describer(tmp_path)
    with pytest.raises(ModelError, match="is not a folder"):
        load_describer(folder / "config.json")
    with pytest.raises(
        UnknownName, match="unknown describer 'blip'; valid: default, a folder of a BLIP, a hub"
    ):
        load_describer("blip")


def test_damaged_folders_are_refused(blip_folder: Make, tmp_path: Path) -> None:
    folder = blip_folder("captions")
    pickled = copied(folder, tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pytorch_model.bin, a pickle, which can run code"):
        load_describer(pickled)
    waiting = copied(folder, tmp_path / "waiting")
    os.mkfifo(waiting / "vocab.txt")
    with pytest.raises(ModelError, match="is a FIFO; needs a regular file"):
        load_describer(waiting)
    cut = copied(folder, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ModelError, match="holds no BlipForConditionalGeneration that can be loaded"):
        load_describer(cut)
    mute = copied(folder, tmp_path / "mute")
    (mute / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"has neither tokenizer.json nor vocab.txt; save the processor"):
        load_describer(mute)
    small = copied(folder, tmp_path / "small")
    options = json.loads((small / "config.json").read_text())
    options["text_config"]["sep_token_id"] = 999
    (small / "config.json").write_text(json.dumps(options))
    with pytest.raises(ModelError, match="sep_token_id is 999; must be below vocab_size"):
        load_describer(small)


def test_weights_that_are_not_numbers_are_refused(blip_folder: Make, tmp_path: Path) -> None:
    from transformers import BlipForConditionalGeneration

    folder = copied(blip_folder("captions"), tmp_path / "nan")
    model = BlipForConditionalGeneration.from_pretrained(folder)
    with torch.no_grad():
        model.vision_model.post_layernorm.bias[3] = torch.nan
    model.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"'vision_model.post_layernorm.bias' has NaN or infinity"):
        load_describer(folder)


def test_a_hub_model_is_had_with_its_weights(monkeypatch: pytest.MonkeyPatch, blip_folder: Make) -> None:
    import huggingface_hub

    folder, asked = blip_folder("captions"), []

    def download(repo: str, *, allow_patterns: list[str], local_files_only: bool = False) -> str:
        asked.append((repo, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert load_describer("owner/blip").name == "owner/blip"
    ((repo, patterns),) = asked
    assert repo == "owner/blip"
    had = [each for each in HUB if any(fnmatch(each, pattern) for pattern in patterns)]
    assert had == ["model.safetensors", "vocab.txt"]
