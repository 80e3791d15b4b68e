"""More processes on this machine that draw the same run, started by the one that was asked for it."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from types import TracebackType

import torch

from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.stop import Stop, Stopped
from limelight.pipeline.batch.world import Team

PATIENCE = 120.0  # seconds for a step to end, and pictures to be saved

Draw = Callable[[Team, Stop], None]


class Helpers:
    """The processes at places 1, 2, ... of a team whose first is this one; a context manager.

    They stop when this process is asked to or has nothing left to do, which is when all rows are settled, and
    end with it, however it ends. The death of one hinders nobody: others draw what it had claimed.

    Args:
        draw: what each does, until all rows are settled or it is asked to stop; can be pickled.
        num_threads: of each; 0 leaves that to torch.
    """

    def __init__(self, draw: Draw, team: Team, stop: Stop, num_threads: int = 0) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess] = [
            spawn.Process(
                target=_help,
                args=(draw, replace(team, place=place, local_place=place, worker=f"{place:04}"), num_threads),
                daemon=True,
            )
            for place in range(1, team.size)
        ]
        self._stop = stop

    def __enter__(self) -> "Helpers":
        for process in self._processes:
            process.start()
        self._stop.pass_on(self.stop)
        return self

    def stop(self) -> None:
        """Asks all to stop, once."""
        for process in self._processes:
            if process.is_alive():
                process.terminate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._stop.is_asked:
            self.stop()  # some may not even have begun
        for process in self._processes:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    @property
    def died(self) -> list[int]:
        """The places of those that ended before they were asked to."""
        ends = {0, -signal.SIGTERM}  # the second where it did not listen yet
        return [place for place, process in enumerate(self._processes, 1) if process.exitcode not in ends]


def _help(draw: Draw, team: Team, num_threads: int) -> None:
    # Ctrl-C reaches every process of a terminal; the first passes it on, so that nobody hears of it twice.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if num_threads:
        torch.set_num_threads(num_threads)
    stop = Stop(signal.SIGTERM)
    # What became of the folder, the first process finds out itself, and tells.
    with suppress(Stopped, OutputLost), stop.listening():
        draw(team, stop)
    sys.stderr.flush()
    os._exit(0)  # at once: taking the interpreter apart takes a second, in which the first process would wait


def _end_with_parent() -> None:
    """What was being drawn is drawn again by the next run, as after any death."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
