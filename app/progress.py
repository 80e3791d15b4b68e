"""The bar that shows how far the drawing is, and the lines that take its place where there is no terminal."""

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bars

NARROW = 60  # columns; the bar itself goes first
BAR_WIDTH = 30


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

    def __enter__(self) -> Self:
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
