"""Being asked to stop: once in order, twice at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """A signal came at a time when there is nothing to put in order."""


class Stop:
    """Whether somebody asked; in the main thread of a process.

    Within `deferred` a signal is noted in `is_asked`; outside it raises Stopped. The second ends the process
    as if nobody listened.

    Args:
        signals: that are listened to.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.is_asked = False
        self._signals = signals or (signal.SIGINT, signal.SIGTERM)
        self._is_deferred = False
        self._others: list[Callable[[], None]] = []

    def pass_on(self, tell: Callable[[], None]) -> None:
        """Calls `tell` when somebody asks, or now if somebody has."""
        self._others.append(tell)
        if self.is_asked:
            tell()

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._hear) for number in self._signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.is_asked = True
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        for tell in self._others:
            tell()
        if not self._is_deferred:
            raise Stopped
