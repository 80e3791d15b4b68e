"""Handles signals: the first stops a run in order, the second at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(BaseException):
    """A signal came while there was nothing to finish."""


class Stop:
    """Whether a stop has been requested; used in the main thread of a process.

    Inside `deferred` a signal sets `is_requested`; outside it raises Stopped. A second signal ends the
    process, as without a handler.

    Args:
        signals: the signals that are handled.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self.is_requested = False
        self._signals = signals or (signal.SIGINT, signal.SIGTERM)
        self._is_deferred = False
        self._others: list[Callable[[], None]] = []

    def pass_on(self, notify: Callable[[], None]) -> None:
        """Calls `notify` when a stop is requested, or now if it already was."""
        self._others.append(notify)
        if self.is_requested:
            notify()

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
        self.is_requested = True
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        for tell in self._others:
            tell()
        if not self._is_deferred:
            raise Stopped
