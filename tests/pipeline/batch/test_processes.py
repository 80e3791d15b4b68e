"""Local workers stop when a stop is requested, and end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.batch import capacity
from limelight.pipeline.batch.capacity import find_workers
from limelight.pipeline.batch.processes import LocalWorkers
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World

GIB = 2**30


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


def work(folder: Path, world: World, stop: Stop) -> None:
    """Dies at rank 2; other ranks write a note and wait for a stop."""
    note = folder / f"{world.worker}-{world.local_rank}-of-{world.size}"
    with stop.deferred():
        note.write_text(f"{os.getpid()} {torch.get_num_threads()}")
        if world.rank == 2:
            os._exit(3)
        while not stop.is_requested:
            time.sleep(0.01)
    note.with_suffix(".stopped").touch()


def wait_for(path: Path) -> str:
    for _ in range(6000):
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.01)
    raise AssertionError(f"no {path.name}")


def test_helpers_stop_on_request_and_dead_ones_are_reported(tmp_path: Path) -> None:
    stop = Stop()
    with stop.listening(), stop.deferred():
        with LocalWorkers(partial(work, tmp_path), World(size=3, run="r"), stop, num_threads=1) as workers:
            printed = wait_for(tmp_path / "0001-1-of-3")
            wait_for(tmp_path / "0002-2-of-3")  # stopping a process that has not begun is no death
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.is_requested
    assert printed.split()[1] == "1"
    assert (tmp_path / "0001-1-of-3.stopped").exists()
    assert workers.died == [2]


ALONE = """
import sys, time
from functools import partial
from pathlib import Path
from limelight.pipeline.batch.processes import LocalWorkers
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World
from tests.pipeline.batch.test_processes import work

if __name__ == "__main__":
    with LocalWorkers(partial(work, Path(sys.argv[1])), World(size=2, run="r"), Stop()):
        time.sleep(600)
"""


def test_a_helper_ends_with_the_process_that_it_helps(tmp_path: Path) -> None:
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([".", *sys.path])}
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    try:
        helper = int(wait_for(tmp_path / "0001-1-of-2").split()[0])
    finally:
        process.kill()
        process.wait()
    for _ in range(500):
        if not is_alive(helper):
            break
        time.sleep(0.01)
    assert not is_alive(helper)
    assert not (tmp_path / "0001-1-of-2.stopped").exists()


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    if Path("/proc/self").exists():  # a zombie counts as dead
        return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("rows", "threads", "free", "workers"),
    [
        (1000, 8, 64 * GIB, 8),  # one on each core
        (100, 8, 64 * GIB, 3),  # more processes would not be faster for so few rows
        (10, 8, 64 * GIB, 1),
        (1000, 8, 4 * GIB, 2),  # there is memory for one more
        (1000, 8, 1 * GIB, 1),
        (1000, 8, None, 1),  # nobody knows
        (1000, 1, 64 * GIB, 1),
    ],
)
def test_the_number_of_processes_follows_cores_rows_and_memory(
    monkeypatch: pytest.MonkeyPatch,
    pipe: TextToImagePipeline,
    rows: int,
    threads: int,
    free: int | None,
    workers: int,
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(capacity, "free_bytes", lambda: free)
    assert find_workers(pipe.model, rows, is_device_named=False) == workers


def test_each_gpu_has_a_process_unless_one_was_named(
    monkeypatch: pytest.MonkeyPatch, pipe: TextToImagePipeline
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(type(pipe.model.unet), "device", torch.device("cuda:0"))
    assert find_workers(pipe.model, 10**6, is_device_named=False) == 8
    assert find_workers(pipe.model, 100, is_device_named=False) == 3
    assert find_workers(pipe.model, 10**6, is_device_named=True) == 1
