"""Starts further processes on this machine that draw the same run."""

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
from limelight.pipeline.batch.world import World

PATIENCE = 120.0  # seconds for a step to end, and pictures to be saved

Draw = Callable[[World, Stop], None]


class LocalWorkers:
    """The processes with ranks 1, 2, ... of a run; this process has rank 0. A context manager.

    They stop when this process is stopped or when all rows are settled, and they end with this process,
    however it ends. If one dies, the others draw the rows that it had claimed.

    Args:
        draw: what each process runs until all rows are settled or a stop is requested; must be picklable.
        num_threads: threads of each process; 0 leaves the number to torch.
    """

    def __init__(self, draw: Draw, world: World, stop: Stop, num_threads: int = 0) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._processes: list[BaseProcess] = [
            spawn.Process(
                target=_help,
                args=(draw, replace(world, rank=rank, local_rank=rank, worker=f"{rank:04}"), num_threads),
                daemon=True,
            )
            for rank in range(1, world.size)
        ]
        self._stop = stop

    def __enter__(self) -> "LocalWorkers":
        for process in self._processes:
            process.start()
        self._stop.pass_on(self.stop)
        return self

    def stop(self) -> None:
        """Asks all processes to stop."""
        for process in self._processes:
            if process.is_alive():
                process.terminate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._stop.is_requested:
            self.stop()  # some may not have begun yet
        for process in self._processes:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    @property
    def died(self) -> list[int]:
        """The ranks of the processes that died."""
        ends = {0, -signal.SIGTERM}  # the second if it had no handler yet
        return [rank for rank, process in enumerate(self._processes, 1) if process.exitcode not in ends]


def _help(draw: Draw, world: World, num_threads: int) -> None:
    # Ctrl-C reaches every process of a terminal. The first process passes it on, so that it arrives once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if num_threads:
        torch.set_num_threads(num_threads)
    stop = Stop(signal.SIGTERM)
    # The first process finds and reports a lost folder itself.
    with suppress(Stopped, OutputLost), stop.listening():
        draw(world, stop)
    sys.stderr.flush()
    os._exit(0)  # skips the interpreter's teardown, for which the first process would wait a second


def _end_with_parent() -> None:
    """Ends this process when its parent ends. The next run draws its unfinished rows again."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
