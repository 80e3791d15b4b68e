"""What the command line tells its user: results on stdout, everything else on stderr."""

import logging
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text


def set_up() -> None:
    """What every process of the command line does first."""
    logging.getLogger("xformers").setLevel(logging.ERROR)  # `limelight backends` says what it cannot do here
    warnings.showwarning = show_warning


def say(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(f"limelight: {text}", file=sys.stderr, flush=True)


def fail(text: str, *, code: int = 2) -> NoReturn:
    complain(text)
    raise SystemExit(code)


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
        f"{file} was made by another program (version {record['version']}), whose noise is another: expect a "
        f"picture of the same kind, not the same pixels. Left out: {_plain(left)}"
    )


def show_record(record: Mapping[str, Any]) -> None:
    """The record of a picture as a table; its text is shown as text, never as markup."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for key, value in record.items():
        for inner, text in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(_plain(f"{key} {inner}".strip()), _plain(text))
    Console().print(table, markup=False)


def _plain(value: Any) -> Text:
    text = value if isinstance(value, str) else repr(value)
    return Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))
