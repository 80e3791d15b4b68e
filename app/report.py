"""What the command line tells its user: results on stdout, everything else on stderr."""

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

MAX_SHOWN = 4_000  # characters of one message, or of one cell of a table


def set_up() -> None:
    """What every process of the command line does first."""
    logging.getLogger("xformers").setLevel(logging.ERROR)  # `limelight backends` says what it cannot do here
    warnings.showwarning = show_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that has no character for something gets its code
            stream.reconfigure(errors="backslashreplace")


def plain(text: object) -> str:
    """Text that may hold what strangers wrote (names of files and tensors, records, messages of libraries),
    as a terminal can show it: without what would move its cursor or change its colours, and not endless."""
    shown = str(text) if len(str(text)) <= MAX_SHOWN else _shortened(str(text))
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in shown)


def _shortened(text: str) -> str:
    """Begin and end: in the end a message says what to do."""
    half = MAX_SHOWN // 2
    return f"{text[:half]} [... {len(text) - 2 * half:,} characters ...] {text[-half:]}"


def say(text: str) -> None:
    """A result, on stdout.

    Raises:
        OutputError: it cannot be written.
        SystemExit: nobody reads it any more.
    """
    _log.info(text)
    with _writing():
        print(plain(text), flush=True)


def complain(text: str) -> None:
    """Anything else, on stderr; where that cannot be written there is nobody to tell."""
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
    """A table, on stdout; raises as `say` does."""
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
    """Takes the place of `warnings.showwarning`: the message, without the line of code that gave it."""
    complain(str(message))


def tell_foreign(file: Path, record: Mapping[str, Any]) -> None:
    """What to expect of a picture that another program made, and what of its settings has no counterpart."""
    left = "; ".join(f"{key}: {value}" for key, value in record["ignored"].items()) or "nothing"
    complain(
        f"{file} was made by {record['program']} (version {record['version']}), whose noise is another: "
        f"expect a picture of the same kind, not the same pixels. Left out: {left}"
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
    """One line of JSON, whole however long it is; raises as `say` does."""
    with _writing():
        print(json.dumps(value, ensure_ascii=False), flush=True)
