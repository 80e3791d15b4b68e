"""Small networks that are trained while the model is: their files, and the checkpoints made of them."""

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from scripts.gpu import collect, companion
from scripts.gpu.tools.companions import COMPANIONS
from scripts.second.autoencoder.ready import trained_vae, vae_if_trained
from scripts.second.autoencoder.training import build_vae
from scripts.second.enlarger.tiles import load_large, save_large
from scripts.second.scoring.judge import Judge
from scripts.second.scoring.judge_stage import DECODED, judge_loss, judge_stage, partly_decoded, trained_judge
from scripts.second.training.config import ONE_GPU
from scripts.second.training.packed import NAME, save_weights
from scripts.second.world.nouns import CORE, NOUNS
from scripts.second.world.tiles import ARTS, save_tiles
from scripts.training import loop
from scripts.training.config import StageConfig
from scripts.training.tools import checkpoint

pytestmark = pytest.mark.long

SIDE = 24  # pixels of the art: it is small, to be read fast
WEIGHTS = {"judge": "judge", "describer": "describer", "enlarger": "net"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `scripts.second.pack --enlarger` makes it, with random weights and squares as art."""
    folder = tmp_path_factory.mktemp("data")
    tiles = np.zeros((len(ARTS), len(NOUNS), SIDE, SIDE, 4), np.uint8)
    tiles[:, :, 2:-2, 2:-2, :3] = np.random.default_rng(0).integers(40, 230, (len(NOUNS), 3))[:, None, None]
    tiles[:, :, 2:-2, 2:-2, 3] = 255
    save_tiles(tiles, folder)
    save_large(tiles[:, :CORE], folder)
    assert np.array_equal(load_large(folder), tiles[:, :CORE])
    torch.manual_seed(0)
    save_weights(folder / NAME, vae=build_vae(ONE_GPU.vae))
    return folder


@pytest.fixture(scope="module")
def out(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    for name in COMPANIONS:
        assert companion.main([name, *_options(data, folder)]) == 0
    return folder


def _options(data: Path, out: Path) -> list[str]:
    return ["--data", str(data), "--out", str(out), "--device", "cpu", "--tiny", "--seconds", "30"]


def test_each_leaves_one_small_file(out: Path) -> None:
    assert {path.name for path in out.iterdir()} == {f"{name}.safetensors" for name in COMPANIONS}
    for name in COMPANIONS:
        path = out / f"{name}.safetensors"
        assert path.stat().st_size < 15 * 2**20
        with safe_open(path, "pt") as opened:
            assert opened.metadata()["step"] == "2"
            kinds = {opened.get_tensor(key).dtype for key in opened.keys()}
        assert kinds <= {torch.float16, torch.int64}


def test_files_become_checkpoints_that_are_read_and_go_on(out: Path, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert collect.main([str(out), "--join", str(run)]) == 0
    for name in COMPANIONS:
        state = checkpoint.load(run / f"{name}.pt")
        assert state is not None and state["step"] == 2 and state["optimizers"] is None
        assert {w.dtype for w in state["modules"][WEIGHTS[name]].values()} <= {torch.float32, torch.int64}
        assert '"step": 2' in (run / f"{name}.jsonl").read_text()
        job = companion.Job(
            config=companion.tiny(ONE_GPU),
            data=data,
            vae=data,
            folder=run,
            device="cpu",
            steps=3,
            batch=2,
            tiny=True,
        )
        stage = companion.STAGES[name][0](job)
        steps: list[int] = []
        drawn = stage.loss
        loss = lambda step, drawn=drawn, steps=steps: (steps.append(step), drawn(step))[1]  # noqa: E731
        loop.run(replace(stage, loss=loss, report=lambda step: {}), run)
        assert steps == [2]
        again = checkpoint.load(run / f"{name}.pt")
        assert again is not None and again["step"] == 3 and again["optimizers"] is not None
    assert isinstance(trained_judge(run), Judge)
    with pytest.raises(SystemExit):
        collect.main([str(out), "--join", str(run)])  # the run is of a later step


def test_time_that_is_over_ends_a_stage_with_its_weights(data: Path, tmp_path: Path) -> None:
    own = tmp_path / "data"
    own.mkdir()
    for name in ("tiles.npz", NAME):
        shutil.copy(data / name, own / name)
    options = [*_options(own, tmp_path), "--seconds", "0.01", "--steps", "1000"]
    assert companion.main(["judge", *options]) == 0
    with safe_open(tmp_path / "judge.safetensors", "pt") as opened:
        assert 1 <= int(opened.metadata()["step"]) < 1000


def test_a_companion_waits_for_the_autoencoder(data: Path, tmp_path: Path) -> None:
    came = threading.Timer(1.0, lambda: shutil.copytree(data, tmp_path / "vae"))
    came.start()
    companion.wait(tmp_path / "vae" / NAME, time.monotonic() + 20)
    came.join()
    assert (tmp_path / "vae" / NAME).exists()


def test_a_companion_whose_autoencoder_does_not_come_says_so(data: Path, tmp_path: Path, capsys) -> None:
    options = [*_options(data, tmp_path), "--seconds", "0", "--vae", str(tmp_path / "vae")]
    assert companion.main(["judge", *options]) == 2
    assert "has not come in time" in capsys.readouterr().err


def test_an_enlarger_without_its_art_says_how_to_make_it(data: Path, tmp_path: Path, capsys) -> None:
    shutil.copy(data / "tiles.npz", tmp_path / "tiles.npz")
    assert companion.main(["enlarger", *_options(tmp_path, tmp_path)]) == 2
    assert "make it with `scripts.second.pack --enlarger`" in capsys.readouterr().err


@pytest.fixture(scope="module")
def vae(world, tiny, tmp_path_factory: pytest.TempPathFactory):
    run = tmp_path_factory.mktemp("packed")
    with pytest.raises(FileNotFoundError, match=r"vae.pt does not exist; make it with stage `vae`"):
        trained_vae(tiny, world, run)
    assert vae_if_trained(tiny, world, run) is None
    torch.manual_seed(0)
    save_weights(run / NAME, vae=build_vae(tiny.vae))
    return trained_vae(tiny, world, run)


def test_packed_weights_are_an_autoencoder_of_normalised_latents(world, vae, tiny) -> None:
    latents = vae.encode(world.batch(3, 16).images).latent_dist.mean
    half = latents.shape[1] // 2
    wanted = torch.tensor([1.0] * half + [tiny.vae.fine_spread] * half)
    assert latents.mean((0, 2, 3)).abs().max() < 0.5
    assert (latents.std((0, 2, 3)) / wanted - 1).abs().max() < 0.5


def test_the_judge_learns_from_decoded_pictures_too(world, vae) -> None:
    batch = world.batch(0, 7)
    found = partly_decoded(batch, vae, torch.Generator().manual_seed(0))
    rows = torch.arange(7) % DECODED == 0
    assert torch.equal(found.images[~rows], batch.images[~rows])
    assert ((found.images[rows] - batch.images[rows]).abs().mean((1, 2, 3)) > 0.01).all()
    assert 0 <= found.pictures.images.min() and found.pictures.images.max() <= 1
    assert torch.equal(found.pictures.covered, batch.pictures.covered)
    torch.manual_seed(0)
    judge_loss(Judge(8), found, np.random.default_rng(0)).backward()


def test_a_batch_is_decoded_once(world, vae, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(tiny, judge=StageConfig(steps=6, batch=4, learning_rate=1e-3))
    decoded: list[int] = []
    decode = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z: (decoded.append(len(z)), decode(z))[1])
    stage = judge_stage(config, world, vae)
    for step in range(6):
        stage.loss(step)
    assert decoded == [2, 2]
    before = stage.loss(6)[0]
    torch.manual_seed(config.seed)
    assert before.isfinite()
