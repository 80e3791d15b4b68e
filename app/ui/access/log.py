"""Keeps the server's log short, and free of text that visitors wrote."""

import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path

SECONDS = 60.0  # before a line is written again
MAX_LINES = 1_000  # remembered at once
FRAMES = 4


def place_of(error: BaseException) -> str:
    """The type of an error and the source lines that led to it, the innermost first; without its message,
    which may quote what a visitor wrote."""
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    lines = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {lines}"


class OncePerMinute(logging.Filter):
    """Lets the same line through once a minute, and without a traceback."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._written: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg, record.args = (
                f"{record.getMessage()[:200].strip()} {place_of(record.exc_info[1])}",
                (),
            )
            record.exc_info = record.exc_text = None
        now, line = self._clock(), record.getMessage()
        if now - self._written.get(line, -SECONDS) < SECONDS:
            return False
        if len(self._written) >= MAX_LINES:
            self._written.clear()
        self._written[line] = now
        return True
