"""LoRA, textual inversion and clip skip on the command line, with the default model."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import Result
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from limelight.app.cli import app
from limelight.pipeline.errors import UsageError
from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.results.png import read_record
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import read_header

ROOT = Path(__file__).parents[2]
FILES = ("--lora", "style.safetensors:0.8", "--embedding", "toy.safetensors")


def limelight(*arguments: str, cwd: Path) -> Result:
    """The command in this process; a refusal is in `exception`."""
    with contextlib.chdir(cwd):
        return CliRunner().invoke(app, arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a LoRA and a textual inversion for the default model, and a LoRA for SDXL."""
    folder = tmp_path_factory.mktemp("adapters")
    torch.manual_seed(0)
    name, shape = next(
        (name.removesuffix(".weight"), entry.shape)
        for name, entry in read_header(find_weights(DEFAULT_MODEL / "unet")[0]).items()
        if name.endswith("attn2.to_k.weight")
    )
    key = f"unet.{name}"
    down, up = torch.randn(4, shape[1]), torch.randn(shape[0], 4)
    save_file({f"{key}.lora_A.weight": down, f"{key}.lora_B.weight": up}, folder / "style.safetensors")
    width = 256
    save_file({"<toy>": torch.randn(2, width)}, folder / "toy.safetensors")
    key = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    tensors = {f"{key}.lora_down.weight": torch.ones(4, 2048), f"{key}.lora_up.weight": torch.ones(640, 4)}
    save_file(tensors, folder / "xl.safetensors")
    return folder


@pytest.fixture(scope="module")
def drawn(folder: Path) -> Path:
    run = limelight(
        "generate",
        "a red <toy>",
        "--seed",
        "7",
        "--steps",
        "2",
        "--clip-skip",
        "2",
        *FILES,
        "-o",
        "a.png",
        cwd=folder,
    )
    assert (run.exit_code, run.stderr) == (0, "")
    return folder / "a.png"


def test_the_record_says_what_was_used(drawn: Path) -> None:
    record = read_record(drawn)
    assert record["request"]["clip_skip"] == 2
    used = [(one["kind"], one["name"], one["file"], one.get("weight")) for one in record["adapters"]]
    assert used == [
        ("lora", "style", "style.safetensors", 0.8),
        ("embedding", "<toy>", "toy.safetensors", None),
    ]


def test_replay_needs_the_same_files_and_draws_the_same_pixels(drawn: Path) -> None:
    (drawn.parent / "moved").mkdir()
    os.rename(drawn.parent / "style.safetensors", drawn.parent / "moved" / "other name.safetensors")
    run = limelight("replay", "a.png", "--embedding", "toy.safetensors", "-o", "b.png", cwd=drawn.parent)
    sha256 = read_record(drawn)["adapters"][0]["sha256"]
    assert isinstance(run.exception, UsageError)
    assert str(run.exception) == (
        f"drawn with the lora 'style': style.safetensors, sha256 {sha256[:12]}; "
        "say where that file is with --lora"
    )
    files = ("--embedding", "toy.safetensors", "--lora", "moved/other name.safetensors")
    run = limelight("replay", "a.png", *files, "-o", "b.png", cwd=drawn.parent)
    assert run.exit_code == 0, run.exception
    with Image.open(drawn) as first, Image.open(drawn.parent / "b.png") as again:
        assert first.tobytes() == again.tobytes()


def test_a_lora_for_another_family_is_refused_with_exit_code_2(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "limelight", "generate", "a", "--lora", "xl.safetensors", "-o", "c.png"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    key = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        "limelight: xl.safetensors is a LoRA for sdxl (context of 2048); "
        "this model is limelight (context of 256)",
        "  2 of 2 weights unknown, the first 2:",
        f"    {key}.lora_down.weight",
        f"    {key}.lora_up.weight",
    ]
    assert not (folder / "c.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--lora", "nope.safetensors:0.5"], "nope.safetensors does not exist; give a .safetensors file"),
        (["--lora", "xl.safetensors:99"], "the weight of a LoRA is 99.0; must be from -10 to 10"),
        (["--embedding", "nope.pt"], "nope.pt does not exist; give the .safetensors file"),
        (["--clip-skip", "0"], "clip_skip is 0; must be from 1 to 100"),
    ],
)
def test_bad_input_is_refused_before_anything_is_loaded(
    folder: Path, arguments: list[str], message: str
) -> None:
    run = limelight("generate", "a", *arguments, cwd=folder)
    assert isinstance(run.exception, UsageError)
    assert message in str(run.exception)
