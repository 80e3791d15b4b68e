"""Files that are no checkpoint of a known family: the message says what they are, before anything is
built."""

import pickle
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from limelight.app.cli import main
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import ModelError
from limelight.unet import WeightsError


def load(path: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(path, device="cpu")


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["m.ckpt", "m.safetensors", "m.pt", "m"])
@pytest.mark.parametrize("kind", ["protocol 4", "protocol 0", "zip"])
def test_a_pickle_is_never_opened_and_the_message_says_what_to_do(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    canary = Canary(tmp_path / "canary")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(canary))
    else:
        path.write_bytes(pickle.dumps(canary, protocol=int(kind[-1])))
    is_disguised = kind == "protocol 0" and path.suffix not in (".ckpt", ".pt")  # it begins as any text may
    with pytest.raises(
        WeightsError, match="announces a header" if is_disguised else "convert it on a machine"
    ):
        load(path)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["lora_unet_mid_block_attentions_0.lora_up.weight"], "a LoRA, which changes a model and is none"),
        (["unet.mid_block.attn1.to_q.lora_A.weight"], "a LoRA"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "a VAE alone"),
        (["first_stage_model.encoder.conv_in.weight"], "a VAE alone"),
        (["emb_params"], "a textual inversion"),
        (["control_model.input_blocks.0.0.weight"], "a ControlNet"),
        (["model.diffusion_model.joint_blocks.0.x.weight"], "a Stable Diffusion 3 transformer"),
        (["model.diffusion_model.double_blocks.0.img_attn.proj.weight"], "a Flux transformer"),
        (["down_blocks.0.resnets.0.time_emb_proj.weight"], "a U-Net alone, in diffusers' names"),
        (["text_model.encoder.layers.0.mlp.fc1.weight"], "a text encoder alone"),
        (["something.weight"], "no checkpoint in the original layout"),
    ],
)
def test_another_kind_of_file_is_named_with_what_is_needed_and_its_first_keys(
    tmp_path: Path, names: list[str], kind: str
) -> None:
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "m.safetensors")
    with pytest.raises(ModelError) as refused:
        load(tmp_path / "m.safetensors")
    message = str(refused.value)
    assert f"m.safetensors is {kind}" in message
    assert "needs a whole checkpoint of a known family (sd1, sd2, sdxl" in message
    assert all(name in message for name in names)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("x.lora_up.weight", "(or give it with --lora, together with a model)"),
        ("emb_params", "(or give it with --embedding, together with a model)"),
        (
            "down_blocks.0.resnets.0.time_emb_proj.weight",
            "(or put it into a model's folder in diffusers layout, as unet/diffusion_pytorch_model.",
        ),
    ],
)
def test_the_message_about_another_kind_of_file_says_what_to_do(
    tmp_path: Path, name: str, remedy: str
) -> None:
    save_file({name: torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(ModelError) as refused:
        load(tmp_path / "m.safetensors")
    assert remedy in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "dropped", "message"),
    [
        (
            "sd1",
            "first_stage_model.",
            "is a sd1 checkpoint without its VAE (first_stage_model.*; vae= names one",
        ),
        ("sd1", "cond_stage_model.", "is a sd1 checkpoint without its clip text encoder (found: none)"),
        (
            "sdxl",
            "conditioner.embedders.1.",
            "is a sdxl checkpoint without its clip and open_clip text encoders "
            "(found: conditioner.embedders.0.transformer.*)",
        ),
    ],
)
def test_a_missing_part_is_named(
    checkpoint: Callable[[str], Any], tmp_path: Path, kind: str, dropped: str, message: str
) -> None:
    made = checkpoint(kind)
    kept = {name: t for name, t in made.tensors.items() if not name.startswith(dropped)}
    path = type(made)(made.folder, "", kept).save(tmp_path / "m.safetensors")
    with pytest.raises(ModelError) as refused:
        load(path)
    assert message in str(refused.value)
    assert f"The first of {len(kept):,} keys: {', '.join(sorted(kept)[:5])}" in str(refused.value)


def test_damaged_files_are_refused_within_a_second_each(
    checkpoint: Callable[[str], Any], tmp_path: Path
) -> None:
    whole = checkpoint("sd1").save(tmp_path / "m.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    overlapping = whole.replace(b'"data_offsets":[0,', b'"data_offsets":[1,', 1)
    damaged = {
        "in-header": whole[:1000],
        "mid-tensor": whole[: 8 + length + 100],
        "last-byte": whole[:-1],
        "huge-header": struct.pack("<Q", 2**63) + whole[8:],
        "overlapping": overlapping,
    }
    for name, content in damaged.items():
        (tmp_path / f"{name}.safetensors").write_bytes(content)
    before = time.process_time()
    for name in damaged:
        with pytest.raises(WeightsError, match=f"{name}.safetensors"):
            load(tmp_path / f"{name}.safetensors")
    assert time.process_time() - before < len(damaged)


def test_on_the_command_line_a_refusal_is_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.safetensors"
    save_file({"lora_te_x.lora_up.weight": torch.zeros(1)}, file)
    command = ["generate", "x", "--model", str(file), "-o", str(tmp_path / "x.png")]
    monkeypatch.setattr(sys, "argv", ["limelight", *command])
    with pytest.raises(SystemExit) as refused:
        main()
    assert refused.value.code == 2
    assert "is a LoRA" in capsys.readouterr().err
