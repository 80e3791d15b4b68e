"""How far a run is: a bar, and the lines that take its place where there is no terminal."""

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

    def __enter__(self) -> "BatchProgress":
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
    """How fast, in pictures a second or in seconds for each, and how long yet; nothing before it is known:
    the first pictures come together, after whatever is done once."""
    if seconds <= 0 or drawn < min(KNOWN, max(1, (drawn + left) // 10)):
        return []
    rate = f"{drawn / seconds:.1f}/s" if drawn >= seconds else f"{seconds / drawn:.1f} s each"
    return [rate, f"{timedelta(seconds=round(left * seconds / drawn))} left"]


NARROW = 60  # columns; the bar itself goes first
BAR_WIDTH = 30


class TimeLeft(TimeRemainingColumn):
    """The time that is left; nothing before it is known."""

    def __init__(self) -> None:
        super().__init__(compact=True)

    def render(self, task: Task) -> Text:
        return super().render(task) if task.time_remaining is not None else Text("")


class Bar:
    """One bar on stderr, gone when it is done; nothing where stderr is no terminal.

    Args:
        beside: the bar, such as the time that is left.
        fields: what `beside` shows of its own, at the beginning.
    """

    def __init__(self, *beside: ProgressColumn, is_shown: bool = True, **fields: Any) -> None:
        console = Console(stderr=True)
        self.is_terminal = console.is_terminal
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), TextColumn("{task.fields[count]}")]
        if console.width >= NARROW:
            columns.insert(1, BarColumn(BAR_WIDTH))
        self._bars = Bars(
            *columns, *beside, console=console, transient=True, disable=not (is_shown and self.is_terminal)
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
