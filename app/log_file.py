"""A log file with the messages of a run and of its packages, each with time and process."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from limelight.app import report
from limelight.pipeline.errors import OutputError

_ALL = logging.getLogger("limelight")
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(message)s"


class _LogFile(logging.FileHandler):
    """Appends messages, each on one line and without control characters."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace")
        formatter = logging.Formatter(_FORMAT, "%Y-%m-%dT%H:%M:%SZ")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def format(self, record: logging.LogRecord) -> str:
        return report.plain(super().format(record)).replace("\n", "\n  ")

    def handleError(self, record: logging.LogRecord) -> None:
        """Keeps the run going if its log cannot be written."""
        _ALL.removeHandler(self)
        report.complain(f"the log {self.baseFilename} cannot be written; the run goes on without it")


class _Terminal(logging.Handler):
    """Prints warnings of packages on stderr, as Python does only if there is no other handler."""

    def emit(self, record: logging.LogRecord) -> None:
        report.warn(record.getMessage())


@contextmanager
def logged(path: Path | None) -> Iterator[None]:
    """Inside this context, all messages are also appended to a log file, if there is one.

    Raises:
        OutputError: the file cannot be written to.
    """
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers = (_LogFile(path), _Terminal(logging.WARNING))
    except OSError as error:
        raise OutputError(f"cannot write the log {path}: {error.strerror or error}; name another") from None
    before = _ALL.level
    _ALL.setLevel(logging.DEBUG)
    for handler in handlers:
        _ALL.addHandler(handler)
    try:
        yield
    finally:
        _ALL.setLevel(before)
        for handler in handlers:
            _ALL.removeHandler(handler)
            with suppress(OSError):  # a failed write cannot be flushed
                handler.close()
