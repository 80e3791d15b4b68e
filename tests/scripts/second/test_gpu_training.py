"""The training on a GPU, rehearsed without one: every phase, recovery from failures, the files that it
leaves."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.gpu import train
from scripts.gpu.tools.shards import join
from scripts.gpu.training.clock import ENDS, FROM_SCRATCH, Clock, rate
from scripts.gpu.training.guard import SEEN, Guard
from scripts.gpu.training.sketches import Sketchers, layout_of
from scripts.gpu.training.stock import Stock
from scripts.second.autoencoder.ready import trained_vae
from scripts.second.autoencoder.training import build_vae
from scripts.second.training.config import ONE_GPU
from scripts.second.training.denoising import Denoising, predict, unet_config
from scripts.second.training.export import export, parts_of_run
from scripts.second.training.pool import encode
from scripts.second.training.text import TextSide
from scripts.second.world.nouns import CORE

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def finished(world_folder, tmp_path_factory):
    """The folder of a run whose phases are over as soon as they have done one step."""
    out = tmp_path_factory.mktemp("gpu") / "out"
    arguments = ["--data", world_folder, "--out", out, "--device", "cpu", "--tiny", "--seconds", "0.1"]
    arguments += ["--vae", out.parent / "vae", "--workers", "0"]
    assert train.main([str(each) for each in arguments]) == 0
    return out


def test_every_phase_runs_and_is_logged(finished) -> None:
    events = [json.loads(line)["event"] for line in (finished / "log.jsonl").read_text().splitlines()]
    wanted = ["started", "polished", "filled", "learn", "average", "learned", "decoder done", "finished"]
    assert [event for event in wanted if event not in events] == []
    assert (finished / "pictures.png").exists()


def test_an_autoencoder_that_begins_from_random_weights_has_longer(finished) -> None:
    """Nothing is carried here, so its phase is more than twice as long."""
    started = json.loads((finished / "log.jsonl").read_text().splitlines()[0])
    assert started["carried"] == [] and started["ends"] == FROM_SCRATCH
    assert FROM_SCRATCH["polish"] - FROM_SCRATCH["start"] > 2 * (ENDS["polish"] - ENDS["start"])


def test_companions_get_the_autoencoder_that_the_denoiser_learns_from(finished, world) -> None:
    config = train.tiny(ONE_GPU)
    given = trained_vae(config, world, finished.parent / "vae")
    latents = given.encode(world.batch(3, 16).images).latent_dist.mean
    half = latents.shape[1] // 2
    spread = latents.std((0, 2, 3))
    assert spread[:half].mean() == pytest.approx(1, rel=0.3)
    assert spread[half:].mean() == pytest.approx(config.vae.fine_spread, rel=0.3)


def test_the_returned_files_are_complete_small_and_load(finished, tmp_path) -> None:
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert len(files) <= 8
    assert max(path.stat().st_size for path in files) <= 16 * 2**20
    (file,) = join(finished / "pieces", tmp_path)
    weights = load_file(file)
    assert {name.split(".")[0] for name in weights} == {"unet", "encoder", "vae"}
    config = train.tiny(ONE_GPU)
    net = UNet(translate(unet_config(config)))
    net.load_state_dict(
        {n.removeprefix("unet."): w.float() for n, w in weights.items() if n.startswith("unet.")}
    )
    vae = build_vae(config.vae)
    vae.load_state_dict(
        {n.removeprefix("vae."): w.float() for n, w in weights.items() if n.startswith("vae.")}
    )


@pytest.mark.compile
def test_the_network_is_one_graph_in_all_steps(monkeypatch) -> None:
    config = train.tiny(ONE_GPU)
    net = UNet(translate(unet_config(config)))
    inputs = (
        torch.randn(2, 8, 16, 16),
        torch.tensor([5, 900]),
        torch.randn(2, 40, 32),
        torch.randn(2, 16, 16, 40),
    )
    one = torch.compile(predict, fullgraph=True, backend="aot_eager")
    monkeypatch.setattr("torch._dynamo.config.error_on_recompile", True)
    for step in range(2):
        one(net, *(x + 1 if x.dtype == torch.int64 else x * (step + 2) for x in inputs))
    found, wanted = one(net, *inputs), predict(net, *inputs)
    assert (found[0] - wanted[0]).abs().max() < 1e-5
    gradients = []
    for predicted, maps, _ in (found, wanted):
        net.zero_grad()
        (predicted.square().mean() + maps.square().sum()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
    assert (gradients[0] - gradients[1]).abs().max() < 1e-4 * gradients[1].abs().max()


def test_the_stock_holds_what_the_pool_holds(world, world_folder, tiny) -> None:
    """Both ways to the weights see the same scenes."""
    text = TextSide(tiny.text, world_folder / "tokenizer")
    vae = build_vae(tiny.vae)
    atlas = world.painter.atlas
    sketchers = Sketchers(
        tiny.mixture, atlas.extents, tiny.text, world_folder / "tokenizer", seed=0, size=4, processes=0
    )
    stock = Stock(world.painter, vae, 6, "cpu")
    assert stock.add(sketchers.here()) == 4
    assert stock.add(sketchers.here()) == 4
    assert (stock.count, stock.next) == (6, 2)
    from random import Random

    known = encode(world.batch(0, 4), vae, text, Random(0))
    drawn = stock.draw(3, torch.Generator().manual_seed(0))
    assert {name: values.shape[1:] for name, values in drawn.items()} == {
        name: values.shape[1:] for name, values in known.items()
    }
    assert {name: values.dtype for name, values in drawn.items()} == {
        name: values.dtype for name, values in known.items()
    }
    layout = layout_of(sketchers.here(), "cpu")
    assert layout.noun.shape == (4, 5)


def test_a_diverged_loss_restores_the_last_snapshot(capsys) -> None:
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    log: list[str] = []
    guard = Guard(layer, [optimizer], lambda event, **facts: log.append(event))
    good = layer.weight.detach().clone()
    assert all(guard.watch(1.0) for _ in range(SEEN))
    with torch.no_grad():
        layer.weight.fill_(math.nan)
    assert not guard.watch(math.nan)
    assert torch.equal(layer.weight, good)
    assert guard.factor == pytest.approx(0.6)
    assert all(guard.watch(1.0) for _ in range(SEEN))
    assert guard.watch(1.4)
    assert not guard.watch(1.6)
    assert guard.factor == pytest.approx(0.36)
    assert log == ["restored", "restored"]


def test_lack_of_memory_halves_the_batch(world, world_folder, tiny, tmp_path) -> None:
    from scripts.gpu.training.learning import Learner

    text = TextSide(tiny.text, world_folder / "tokenizer")
    denoising = Denoising(tiny, UNet(translate(unet_config(tiny))), text.encoder, text.ids([""]))
    sketchers = Sketchers(
        tiny.mixture,
        world.painter.atlas.extents,
        tiny.text,
        world_folder / "tokenizer",
        seed=0,
        size=4,
        processes=0,
    )
    stock = Stock(world.painter, build_vae(tiny.vae), 8, "cpu")
    stock.add(sketchers.here())
    held_out = stock.draw(2, torch.Generator().manual_seed(0))
    written: list[str] = []
    learner = Learner(
        tiny, denoising, stock, held_out, Clock(0.1, tmp_path), lambda parts, mark: written.append(mark), 8
    )
    plain, calls = learner._step, []

    def step(progress: float, factor: float):
        calls.append(learner.batch)
        if learner.batch > 2:
            raise torch.cuda.OutOfMemoryError("no memory")
        return plain(progress, factor)

    learner._step = step
    assert learner.run(lambda used: None) == 1
    assert calls == [8, 4, 2]
    assert written[-1] == "100%"


def test_rates_rise_stay_and_fall_by_time() -> None:
    rates = [rate(1.0, progress) for progress in np.linspace(0, 1, 101)]
    assert rates[0] < 0.1
    assert rates[2] == rates[50] == 1.0
    assert rates[80] == pytest.approx(0.2 / 0.45)
    assert rates[100] == 0


def test_scenes_come_from_this_process_where_no_worker_lives(world, world_folder, tiny) -> None:
    sketchers = Sketchers(
        tiny.mixture,
        world.painter.atlas.extents,
        tiny.text,
        world_folder / "tokenizer",
        seed=0,
        size=2,
        processes=1,
    )
    sketchers.close()
    for worker in sketchers.workers:
        worker.join()
    assert sketchers.alive == 0
    found = sketchers.next()
    assert found is not None and len(found["ids"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("mark", ["50%", "92%"])
def test_the_weights_of_a_killed_run_can_be_exported(world, world_folder, tmp_path, mark: str) -> None:
    out, log = tmp_path / "out", tmp_path / "out" / "log.jsonl"
    command = [sys.executable, "-m", "scripts.gpu.train", "--data", world_folder, "--out", out, "--tiny"]
    command += ["--device", "cpu", "--seconds", "150", "--workers", "1"]
    with subprocess.Popen([str(each) for each in command], cwd=ROOT) as process:
        while process.poll() is None:
            if log.exists() and f'"written", "mark": "{mark}"' in log.read_text():
                process.kill()
            time.sleep(0.05)
    assert process.returncode == -signal.SIGKILL
    join(out / "pieces", tmp_path / "run")
    config = train.tiny(ONE_GPU)
    parts = parts_of_run(config, world, tmp_path / "run", "")
    export(config, parts, world_folder / "tokenizer", tmp_path / "model", CORE)
    pipe = TextToImagePipeline.from_pretrained(str(tmp_path / "model"))
    (result,) = pipe([GenerationRequest(prompt="a cat", num_steps=1, seed=0)])
    assert result.image.size == (128, 128)
