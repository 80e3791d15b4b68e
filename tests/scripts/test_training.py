"""Runs stop and go on anywhere, a seed reproduces its losses, and the last good checkpoint survives."""

import errno
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from scripts.training import loop
from scripts.training.adopt import adopt
from scripts.training.config import SHIPPED, PoolConfig, StageConfig, TrainConfig
from scripts.training.tools import checkpoint
from scripts.training.unet import ramped_average, unet_stage

POOL = PoolConfig(chunk=4, window=2, uses=2, encode=4)


def small(steps: int) -> TrainConfig:
    stage = StageConfig(steps=steps, batch=2, learning_rate=1e-3, warmup=2, muon=True)
    unet = replace(SHIPPED.unet, channels=(32, 32, 32), pool=POOL, stage=stage)
    return replace(SHIPPED, unet=unet, vae=replace(SHIPPED.vae, measured=8))


@pytest.fixture(scope="module")
def adopted(first_edition, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("adopted")
    adopt(first_edition, run)
    return run


def start(adopted: Path, run: Path) -> Path:
    run.mkdir()
    for name in ("clip.pt", "vae.pt"):
        (run / name).symlink_to(adopted / name)
    return run


@pytest.fixture(scope="module")
def train(world, first_edition):
    """train(run, steps=...) -> the losses of a run of `steps` that is killed after `stop` of them."""
    return partial(_train, world, first_edition / "tokenizer")


def _train(
    world, tokenizer: Path, run: Path, *, steps: int, stop: int | None = None, **options
) -> list[float]:
    stage = unet_stage(small(steps), world, tokenizer, run, **options)
    drawn = stage.loss

    def loss(step: int):
        if step == stop:
            raise KeyboardInterrupt
        return drawn(step)

    stage.loss, stage.report = loss, lambda step: {}
    try:
        loop.run(stage, run, log_every=1, save_every=2)
    except KeyboardInterrupt:
        pass
    rows = [json.loads(line) for line in (run / "unet.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.mark.long
def test_a_killed_run_goes_on_as_if_nothing_had_happened(train, adopted, tmp_path) -> None:
    whole = train(start(adopted, tmp_path / "whole"), steps=5)
    broken = start(adopted, tmp_path / "broken")
    assert train(broken, steps=5, stop=3) == whole[:3]
    assert train(broken, steps=5) == [*whole[:3], *whole[2:]]  # from the checkpoint of step 2
    ends = [checkpoint.load(tmp_path / name / "unet.pt") for name in ("whole", "broken")]
    for part in ("model", "averaged"):
        first, second = (end["modules"][part] for end in ends)
        assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.long
def test_composing_in_other_processes_changes_nothing(train, adopted, tmp_path) -> None:
    alone = train(start(adopted, tmp_path / "alone"), steps=3)
    assert train(start(adopted, tmp_path / "helped"), steps=3, workers=1) == alone


def test_adopted_weights_are_the_published_ones(first_edition, adopted) -> None:
    from safetensors.torch import load_file

    published = load_file(first_edition / "unet" / "diffusion_pytorch_model.safetensors")
    state = checkpoint.load(adopted / "unet.pt")["modules"]["averaged"]
    assert all(torch.equal(state[f"module.unet.{key}"], value.float()) for key, value in published.items())
    with pytest.raises(FileExistsError, match=r"clip.pt exists; name an empty folder with --run"):
        adopt(first_edition, adopted)


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, monkeypatch) -> None:
    path = tmp_path / "stage.pt"
    checkpoint.save({"step": 1}, path)

    def full(state, stream) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save({"step": 2}, path)
    monkeypatch.undo()
    assert checkpoint.load(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["stage.pt"]


def test_a_moving_average_starts_short_and_ends_long() -> None:
    update = ramped_average(0.9)
    weight = [torch.zeros(1)]
    update(weight, [torch.ones(1)], 0)
    assert weight[0].item() == pytest.approx(0.9)
    update(weight, [torch.zeros(1)], 10**6)
    assert weight[0].item() == pytest.approx(0.81)


def test_a_stage_that_needs_another_says_which(world, first_edition, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match=r"vae.pt does not exist; make it with stage `vae`"):
        unet_stage(SHIPPED, world, first_edition / "tokenizer", tmp_path)
