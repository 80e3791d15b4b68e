"""Being asked to stop: once in order, twice at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """A signal came at a time when there is nothing to put in order."""


class Stop:
    """Whether somebody asked; in the main thread of a process.

    Within `deferred` a signal is noted in `is_asked`; outside it raises Stopped. The second ends the process
    as if nobody listened.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._is_deferred = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
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
        if not self._is_deferred:
            raise Stopped
