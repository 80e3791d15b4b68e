"""Every stage runs, stops and resumes; each reads the files of the one before it."""

import json
import os
import shutil
import signal

import pytest
import torch

from scripts.second import pack
from scripts.second.autoencoder.training import build_vae, vae_stage
from scripts.second.training.packed import load_packed
from scripts.second.training.reading import text_stage
from scripts.second.training.text import TextSide
from scripts.second.training.unet import unet_stage
from scripts.training import loop
from scripts.training.tools import checkpoint

pytestmark = pytest.mark.long


def losses(run, name: str) -> list[float]:
    rows = [json.loads(line) for line in (run / f"{name}.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.fixture(scope="module")
def trained(world, world_folder, tiny, tmp_path_factory):
    """A run in which `vae` and `text` are done."""
    run = tmp_path_factory.mktemp("run2")
    stage, _ = vae_stage(tiny, world, run)
    stage.report = lambda step: {}
    loop.run(stage, run, log_every=1)
    stage = text_stage(tiny, TextSide(tiny.text, world_folder / "tokenizer"))
    loop.run(stage, run, log_every=1)
    return run


def unet_run(world, world_folder, tiny, trained, run, stop: int | None = None) -> list[float]:
    run.mkdir(exist_ok=True)
    for name in ("vae.pt", "text.pt"):
        if not (run / name).exists():
            (run / name).symlink_to(trained / name)
    stage = unet_stage(tiny, world, TextSide(tiny.text, world_folder / "tokenizer"), run)
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
    return losses(run, "unet")


def test_the_first_stages_fall(trained) -> None:
    for name in ("vae", "text"):
        found = losses(trained, name)
        assert len(found) == 4
        assert all(value > 0 for value in found)


def test_a_killed_denoiser_goes_on_as_if_nothing_had_happened(
    world, world_folder, tiny, trained, tmp_path
) -> None:
    whole = unet_run(world, world_folder, tiny, trained, tmp_path / "whole")
    broken = tmp_path / "broken"
    assert unet_run(world, world_folder, tiny, trained, broken, stop=3) == whole[:3]
    assert unet_run(world, world_folder, tiny, trained, broken) == [*whole[:3], *whole[2:]]
    ends = [checkpoint.load(tmp_path / name / "unet.pt") for name in ("whole", "broken")]
    first, second = (end["modules"]["denoising"] for end in ends)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_reports_measure_and_draw(world, world_folder, tiny, trained) -> None:
    stage, _ = vae_stage(tiny, world, trained)
    assert {"psnr", "psnr_things", "psnr_nested", "psnr_noised"} <= set(stage.report(1))
    stage = unet_stage(tiny, world, TextSide(tiny.text, world_folder / "tokenizer"), trained)
    found = stage.report(1)
    assert set(found) == {"held_out_average-0.999", "held_out_average-0.9998"}
    assert (trained / "samples" / "unet-000001.png").exists()


def test_a_stage_that_needs_another_says_which(world, world_folder, tiny, tmp_path) -> None:
    text = TextSide(tiny.text, world_folder / "tokenizer")
    with pytest.raises(FileNotFoundError, match=r"vae.pt does not exist; make it with stage `vae`"):
        unet_stage(tiny, world, text, tmp_path)


def test_a_run_that_is_asked_to_end_saves_first(world_folder, tiny, tmp_path) -> None:
    stage = text_stage(tiny, TextSide(tiny.text, world_folder / "tokenizer"))
    drawn = stage.loss

    def loss(step: int):
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return drawn(step)

    before = signal.getsignal(signal.SIGTERM)
    stage.loss, stage.report = loss, lambda step: {}
    loop.run(stage, tmp_path, log_every=1, save_every=100)
    assert checkpoint.load(tmp_path / "text.pt")["step"] == 2
    assert signal.getsignal(signal.SIGTERM) == before
    loop.run(text_stage(tiny, TextSide(tiny.text, world_folder / "tokenizer")), tmp_path, log_every=1)
    assert len(losses(tmp_path, "text")) == 4


def test_the_data_for_a_gpu_is_small_and_whole(world_folder, tiny, trained, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pack, "TWO_CORES", tiny)
    out = tmp_path / "data"
    assert pack.pack(world_folder, trained, out) == sum(
        p.stat().st_size for p in out.rglob("*") if p.is_file()
    )
    vae, carried = build_vae(tiny.vae), load_packed(out)
    vae.load_state_dict(carried["vae"])
    TextSide(tiny.text, out / "tokenizer").encoder.load_state_dict(carried["encoder"])
    monkeypatch.setattr(pack, "MOST", 1000)
    with pytest.raises(ValueError, match="MiB; at most 0 can be carried"):
        pack.pack(world_folder, trained, out)
    with pytest.raises(FileNotFoundError, match=r"text.pt does not exist; make it with stage `text`"):
        pack.pack(world_folder, tmp_path, out)


def test_data_without_an_autoencoder_can_be_packed(
    world_folder, tiny, trained, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(pack, "TWO_CORES", tiny)
    shutil.copy(trained / "text.pt", tmp_path / "text.pt")
    pack.pack(world_folder, tmp_path, tmp_path / "data")
    assert set(load_packed(tmp_path / "data")) == {"encoder", "readers"}
    assert "no autoencoder is packed" in capsys.readouterr().err
