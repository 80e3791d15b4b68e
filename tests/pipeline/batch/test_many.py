"""Runs of several processes, and many kills: `make test-slow`."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.batch.conftest import Draw, pictures, write_rows
from tests.pipeline.batch.test_run import assert_same, lines

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
SCRIPT = str(ROOT / "scripts" / "batch_generate.py")
PATIENCE = 1200  # seconds; of a machine that is busy with something else
COLOURS = ("red", "blue", "green", "yellow", "orange", "pink", "white", "brown")
ROWS = [f"a {colour} {thing},{seed},2" for seed, (colour, thing) in enumerate(
    (colour, thing) for colour in COLOURS for thing in ("apple", "star", "frog", "fish", "cat")
)]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., tuple[int, str]]) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert draw(write_rows(folder / "m.csv", ROWS), folder / "out")[0] == 0
    return folder / "out"


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", SCRIPT]
ACCELERATE = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
    "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", SCRIPT,
]  # fmt: skip
HELPED = [sys.executable, "-m", "limelight", "batch"]
RAY = [sys.executable, "-m", "limelight", "batch", "--engine", "ray"]


def launch(command: list[str], manifest: Path, output: Path, tell: Path) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "RAY_worker_niceness": "0"}
    arguments = [str(manifest), "-o", str(output), "--workers", "2", "--device", "cpu"]
    with tell.open("wb") as file:
        return subprocess.Popen([*command, *arguments], env=environment, stdout=file, stderr=file, cwd=ROOT)


@pytest.mark.parametrize("command", [TORCHRUN, ACCELERATE, RAY], ids=["torchrun", "accelerate", "ray"])
def test_two_workers_draw_each_row_once(tmp_path: Path, command: list[str], whole: Path) -> None:
    if command is RAY:
        pytest.importorskip("ray")
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    process = launch(command, manifest, tmp_path / "out", tmp_path / "printed")
    assert process.wait(PATIENCE) == 0, (tmp_path / "printed").read_text()
    done = lines(tmp_path / "out", "done")
    assert sorted(done) == sorted(set(done)) and len(done) == len(ROWS)
    parts = [lines_of(path) for path in (tmp_path / "out" / "journal").glob("*.jsonl")]
    assert sum(part > 0 for part in parts) == 2
    assert_same(tmp_path / "out", whole)


def lines_of(journal: Path) -> int:
    return journal.read_bytes().count(b'{"done"')


def test_the_death_of_a_helper_loses_nothing(tmp_path: Path, draw: Callable[..., tuple[int, str]]) -> None:
    import json

    rows = [
        row.removesuffix(",2") + ",12" for row in ROWS
    ]  # or one alone would be done before the other began
    manifest, out = write_rows(tmp_path / "m.csv", rows), tmp_path / "out"
    process = launch(HELPED, manifest, out, tmp_path / "printed")
    journal = out / "journal" / "0001.jsonl"
    while process.poll() is None and not (journal.exists() and lines_of(journal) >= 2):
        time.sleep(0.02)
    os.kill(json.loads(journal.read_text().split("\n")[0])["pid"], 9)
    assert process.wait(PATIENCE) == 0, (tmp_path / "printed").read_text()
    assert "process 2 of 2 died; what it had begun was drawn by others" in (tmp_path / "printed").read_text()
    done = lines(out, "done")
    assert len(done) == len(set(done)) == len(ROWS)
    assert draw(manifest, tmp_path / "whole", patience=PATIENCE)[0] == 0
    assert_same(out, tmp_path / "whole")


def test_the_death_of_a_ray_worker_loses_nothing(tmp_path: Path, whole: Path) -> None:
    pytest.importorskip("ray")
    import json

    manifest, out = write_rows(tmp_path / "m.csv", ROWS), tmp_path / "out"
    process = launch(RAY, manifest, out, tmp_path / "printed")
    while process.poll() is None and len(lines(out, "done")) < 3:
        time.sleep(0.02)
    for journal in (out / "journal").glob("ray*.jsonl"):
        if lines_of(journal):
            os.kill(json.loads(journal.read_text().split("\n")[0])["pid"], 9)
            break
    assert process.wait(PATIENCE) == 0, (tmp_path / "printed").read_text()
    assert lines(out, "dead")
    done = lines(out, "done")
    assert len(done) == len(set(done)) == len(ROWS)
    assert_same(out, whole)


def test_fifty_kills_over_200_rows(tmp_path: Path, start: Draw, draw: Callable[..., tuple[int, str]]) -> None:
    rows = [f"{row.split(',')[0]},{seed},2" for seed in range(5) for row in ROWS]
    manifest, out, rng = write_rows(tmp_path / "m.csv", rows), tmp_path / "out", np.random.default_rng(0)
    kills = 0
    while kills < 50:
        process = start(manifest, out, max_batch=4)
        done, target = len(lines(out, "done")), int(rng.integers(0, 5))
        while process.is_alive() and len(lines(out, "done")) < min(done + target, len(rows)):
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.5)))
        kills += process.is_alive()
        process.kill()
        process.join()
        pictures(out)
        if len(lines(out, "done")) >= len(rows):
            break
    print(f"{kills} kills")
    assert draw(manifest, out, patience=PATIENCE)[0] == 0
    done = lines(out, "done")
    assert len(done) == len(set(done)) == len(rows) == len(pictures(out))
    assert not list(out.rglob("*.tmp"))
    assert draw(manifest, tmp_path / "whole", patience=PATIENCE)[0] == 0
    assert_same(out, tmp_path / "whole")
