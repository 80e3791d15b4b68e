"""Shows the progress of a run: a bar, or lines if there is no terminal."""

import time
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from limelight.app import report

KNOWN = 16  # pictures, or a tenth of them, after which the speed of a run is known
PERIOD = 30.0  # seconds between lines, without a terminal


class BatchProgress:
    """The progress of all workers, as a bar or as occasional lines.

    Args:
        total: pictures of the manifest.
        is_shown: whether this process shows the progress; one of the processes on a terminal does.
    """

    def __init__(self, total: int, *, is_shown: bool = True, period: float = PERIOD) -> None:
        self._bar = Bar(TextColumn("{task.fields[facts]}"), is_shown=is_shown, facts="")
        self._writes_lines = is_shown and not self._bar.is_terminal
        self._total, self._period = total, period
        self._before = 0
        self._started = self._last_line = 0.0

    def __enter__(self) -> "BatchProgress":
        self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def begin(self, done: int) -> None:
        """Begins with `done` pictures that exist already."""
        self._before, self._started = done, time.monotonic()
        self._last_line = self._started
        self._bar.show(done, self._total)

    def show(self, left: int, failed: int) -> None:
        """Shows that `left` pictures are still to be drawn, by any worker, and `failed` cannot be drawn."""
        settled, now = self._total - left, time.monotonic()
        drawn, seconds = settled - self._before, now - self._started
        facts = facts_of(drawn, seconds, left)
        failures = [f"{failed} failed"] if failed else []
        self._bar.show(
            settled, self._total, facts="  ".join([*facts, *(f"[red]{each}[/red]" for each in failures)])
        )
        if self._writes_lines and now - self._last_line >= self._period:
            self._last_line = now
            report.complain(", ".join([f"{settled} of {self._total} pictures", *facts, *failures]))


def facts_of(drawn: int, seconds: float, left: int) -> list[str]:
    """The speed, in pictures per second or seconds per picture, and the time left.

    Both are empty at first, because the first pictures come together, after work that is done once.
    """
    if seconds <= 0 or drawn < min(KNOWN, max(1, (drawn + left) // 10)):
        return []
    rate = f"{drawn / seconds:.1f}/s" if drawn >= seconds else f"{seconds / drawn:.1f} s each"
    return [rate, f"{timedelta(seconds=round(left * seconds / drawn))} left"]


NARROW = 60  # columns of a terminal; narrower ones show no bar
BAR_WIDTH = 30


class TimeLeft(TimeRemainingColumn):
    """The time left; empty until it is known."""

    def __init__(self) -> None:
        super().__init__(compact=True)

    def render(self, task: Task) -> Text:
        return super().render(task) if task.time_remaining is not None else Text("")


class Bar:
    """A bar on stderr, removed when it is done. Without a terminal, nothing is shown.

    Args:
        columns: additional columns, such as the remaining time.
        fields: initial values of these columns.
    """

    def __init__(self, *columns: ProgressColumn, is_shown: bool = True, **fields: Any) -> None:
        console = Console(stderr=True)
        self.is_terminal = console.is_terminal
        first: list[ProgressColumn] = [TextColumn("{task.description}"), TextColumn("{task.fields[count]}")]
        if console.width >= NARROW:
            first.insert(1, BarColumn(BAR_WIDTH))
        self._bars = Bars(
            *first, *columns, console=console, transient=True, disable=not (is_shown and self.is_terminal)
        )
        self._task = self._bars.add_task("loading", total=None, count="", **fields)

    def __enter__(self) -> "Bar":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, completed: int, total: int, **fields: Any) -> None:
        count = f"{completed:>{len(str(total))}}/{total}"
        self._bars.update(
            self._task, description="drawing", completed=completed, total=total, count=count, **fields
        )
