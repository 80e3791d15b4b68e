"""A run can be stopped at any time."""

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from limelight.pipeline.batch.stop import Stop, Stopped
from tests.pipeline.batch.conftest import Draw, pictures, write_rows
from tests.pipeline.batch.test_run import assert_same, lines

ROWS = [f"a red {thing},{seed},2" for seed, thing in enumerate(("apple", "star", "frog", "fish"))]
LONG = 60.0  # seconds; no test waits so long
SHORT = 1.0  # what a step, or a file, takes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., tuple[int, str]]) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert draw(write_rows(folder / "m.csv", ROWS), folder / "out")[0] == 0
    return folder / "out"


def wait_until_held(process: BaseProcess, folder: Path) -> int:
    while process.is_alive() and not (folder / "held").exists():
        time.sleep(0.005)
    assert process.is_alive() and process.pid is not None
    return process.pid


@pytest.mark.parametrize(
    ("at", "seconds"),
    [("load", LONG), ("encode", SHORT), ("sample", SHORT), ("decode", LONG), ("save", SHORT)],
)
def test_a_signal_stops_in_order_at_any_time(
    tmp_path: Path,
    start: Draw,
    draw: Callable[..., tuple[int, str]],
    whole: Path,
    at: str,
    seconds: float,
) -> None:
    manifest, out = write_rows(tmp_path / "m.csv", ROWS), tmp_path / "out"
    process = start(manifest, out, max_batch=1, hold=(at, seconds))
    os.kill(wait_until_held(process, tmp_path), signal.SIGTERM)
    begun = time.monotonic()
    process.join(30)
    assert process.exitcode == 4
    assert time.monotonic() - begun < 4
    printed = (tmp_path / "printed").read_text()
    assert "limelight: stopped; " in printed and "run the same again to go on" in printed
    assert "Traceback" not in printed
    assert not list(out.rglob("*.tmp"))
    num_saved = len(lines(out, "done"))
    assert len(pictures(out)) == num_saved
    if at == "save":  # while one is held, another thread may save the next
        assert 1 <= num_saved < len(ROWS)
    else:
        assert num_saved == 0
    assert draw(manifest, out)[0] == 0
    assert_same(out, whole)


def test_a_second_signal_ends_it_at_once_and_partial_files_are_removed(
    tmp_path: Path, start: Draw, draw: Callable[..., tuple[int, str]], whole: Path
) -> None:
    manifest, out = write_rows(tmp_path / "m.csv", ROWS), tmp_path / "out"
    process = start(manifest, out, max_batch=1, hold=("save", LONG))
    pid = wait_until_held(process, tmp_path)
    os.kill(pid, signal.SIGINT)
    time.sleep(0.5)
    assert process.is_alive()  # it waits for what is being written
    os.kill(pid, signal.SIGINT)
    begun = time.monotonic()
    process.join(30)
    assert process.exitcode == -signal.SIGINT
    assert time.monotonic() - begun < 1
    assert len(list(out.rglob("*.tmp"))) == 1
    assert len(pictures(out)) < len(ROWS)  # while one is held, another thread may save the next
    code, printed = draw(manifest, out)
    assert code == 0 and f"process {pid} left without finishing; going on from there" in printed
    assert not list(out.rglob("*.tmp"))
    assert_same(out, whole)


def test_what_is_passed_on_is_called_at_a_stop_and_at_once_after_it() -> None:
    stop, called = Stop(), list[str]()
    stop.pass_on(lambda: called.append("before"))
    with stop.listening(), pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LONG)
    assert called == ["before"]
    stop.pass_on(lambda: called.append("after"))
    assert called == ["before", "after"]
