"""Prints the messages of the command line: results on stdout, everything else on stderr."""

import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from limelight.app.lifetime import NOBODY_READS
from limelight.app.record_lines import lines_of
from limelight.pipeline.errors import OutputError

_log = logging.getLogger(__name__)  # heard where a command writes a log file

_PRINTED = frozenset("\n\t\N{ZERO WIDTH JOINER}") | set(map(chr, range(0xE0020, 0xE0080)))  # tags of flags
MAX_SHOWN = 4_000  # characters of one message, or of one cell of a table


def set_up() -> None:
    """Prepares the output of a process of the command line."""
    logging.getLogger("xformers").setLevel(logging.ERROR)  # `limelight backends` reports its limits
    warnings.showwarning = show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # replaces characters that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")


def plain(text: object) -> str:
    """Untrusted text (names of files and tensors, records, messages of libraries) in a safe form for a
    terminal: without control characters, and of limited length."""
    shown = str(text) if len(str(text)) <= MAX_SHOWN else _shortened(str(text))
    return "".join(c if c.isprintable() or c in _PRINTED else "\N{REPLACEMENT CHARACTER}" for c in shown)


def _shortened(text: str) -> str:
    """The beginning and the end of a message; the end has the remedy."""
    half = MAX_SHOWN // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} characters ...] {text[-half:]}"


def say(text: str) -> None:
    """Prints a result on stdout.

    Raises:
        OutputError: it cannot be written.
        SystemExit: the reader of a pipe has closed it.
    """
    _log.info(text)
    with _writing():
        print(plain(text), flush=True)


def complain(text: str) -> None:
    """Prints another message on stderr; errors of writing are ignored."""
    _log.info(text)
    warn(text)


def warn(text: str) -> None:
    """The same, for what a log file has already."""
    with suppress(OSError):
        print(f"limelight: {plain(text)}", file=sys.stderr, flush=True)


def fail(text: str, *, code: int = 2) -> NoReturn:
    complain(text)
    raise SystemExit(code)


def show(table: RenderableType, **options: Any) -> None:
    """Prints a table on stdout; raises as `say`."""
    with _writing():
        _Console().print(table, **options)
        sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise SystemExit(NOBODY_READS) from None
    except OSError as error:
        raise OutputError(
            f"the standard output cannot be written: {error.strerror or error}; what was drawn is kept"
        ) from None


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise SystemExit(NOBODY_READS)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Replaces `warnings.showwarning`: prints the message without its line of code."""
    complain(str(message))


def tell_foreign(file: Path, record: Mapping[str, Any]) -> None:
    """Warns that a picture was made by another program, and lists its settings without a counterpart."""
    left = "; ".join(f"{key}: {value}" for key, value in record["ignored"].items()) or "nothing"
    complain(
        f"{file} was made by {record['program']} (version {record['version']}), which draws other noise: "
        f"expect a similar picture, not the same pixels. Left out: {left}"
    )


def show_record(record: Mapping[str, Any], *, title: str = "") -> None:
    """The record of a picture as a table. Its text is shown as text, never as markup."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in lines_of(record):
        table.add_row(Text(plain(name)), Text(plain(value)))
    if title:
        say(title)
    show(table, markup=False)


def say_json(value: Mapping[str, Any]) -> None:
    """Prints one line of JSON, of any length; raises as `say`."""
    with _writing():
        print(json.dumps(value, ensure_ascii=False), flush=True)
