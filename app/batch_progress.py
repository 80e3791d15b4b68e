"""The progress bar of many pictures: how many, how fast, how long yet, how many failed."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class BatchProgress:
    """A bar over the pictures of all workers; silent where stderr is no terminal."""

    def __init__(self, total: int, *, is_shown: bool = True) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("[red]{task.fields[failures]}"),
            console=console,
            transient=True,
            disable=not (is_shown and console.is_terminal),
        )
        self._task = self._bars.add_task("loading", total=None, rate="", failures="")
        self._total = total
        self._before = 0
        self._started = 0.0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, done: int) -> None:
        """Drawing begins, with so many there already."""
        self._before, self._started = done, time.monotonic()
        self._bars.update(self._task, description="drawing", completed=done, total=self._total)

    def show(self, left: int, failed: int) -> None:
        """So many are still to be drawn, by any worker, and so many cannot be."""
        settled = self._total - left
        seconds = time.monotonic() - self._started
        rate = (settled - self._before) / seconds if seconds > 0 else 0.0
        self._bars.update(
            self._task,
            completed=settled,
            rate=f"{rate:.2f}/s" if rate >= 1 or not rate else f"{1 / rate:.1f} s each",
            failures=f"{failed} failed" if failed else "",
        )
