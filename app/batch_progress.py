"""How far a run of many pictures is: how many, how fast, how long yet, how many failed."""

import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.progress import TextColumn

from app import report
from app.progress import Bar

PERIOD = 30.0  # seconds between lines, where there is no terminal to draw a bar on


class BatchProgress:
    """A bar over the pictures of all workers, or a line now and then.

    Args:
        total: pictures of the manifest.
        is_shown: of several processes on one terminal, one shows the progress of all.
    """

    def __init__(self, total: int, *, is_shown: bool = True, period: float = PERIOD) -> None:
        self._bar = Bar(TextColumn("{task.fields[facts]}"), is_shown=is_shown, facts="")
        self._tells_lines = is_shown and not self._bar.is_terminal
        self._total, self._period = total, period
        self._before = 0
        self._started = self._told = 0.0

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def begin(self, done: int) -> None:
        """Drawing begins, with so many there already."""
        self._before, self._started = done, time.monotonic()
        self._told = self._started
        self._bar.show(done, self._total)

    def show(self, left: int, failed: int) -> None:
        """So many are still to be drawn, by any worker, and so many cannot be."""
        settled, now = self._total - left, time.monotonic()
        drawn, seconds = settled - self._before, now - self._started
        facts = facts_of(drawn, seconds, left)
        failures = [f"{failed} failed"] if failed else []
        self._bar.show(
            settled, self._total, facts="  ".join([*facts, *(f"[red]{each}[/red]" for each in failures)])
        )
        if self._tells_lines and now - self._told >= self._period:
            self._told = now
            report.complain(", ".join([f"{settled} of {self._total} pictures", *facts, *failures]))


def facts_of(drawn: int, seconds: float, left: int) -> list[str]:
    """How fast, in pictures a second or in seconds for each, and how long yet; nothing before the first."""
    if not drawn or seconds <= 0:
        return []
    rate = f"{drawn / seconds:.1f}/s" if drawn >= seconds else f"{seconds / drawn:.1f} s each"
    return [rate, f"{timedelta(seconds=round(left * seconds / drawn))} left"]
