"""Reads csv and tsv as spreadsheets of all countries write them."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from limelight.pipeline.batch.errors import Fault
from limelight.pipeline.batch.rows.columns import COLUMNS
from limelight.pipeline.batch.rows.lines import MAX_LINE, read_lines
from limelight.pipeline.batch.rows.names import faults_of_header, known

DELIMITERS = ",;\t|"
MAX_CELL = MAX_LINE
_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,30},\d{1,30}")


def read_csv(path: Path, faults: list[Fault]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yields the line and the cells by column, without empty ones. The arguments are those of
    `read_manifest`.

    A line `sep=;`, which Excel writes, names the delimiter. Otherwise it is the one that gives the first line
    a column for the prompt. If it is not a comma, numbers may have a decimal comma.
    """
    last = 0

    def lines() -> Iterator[str]:
        nonlocal last
        for number, text in read_lines(path, faults):
            last = number
            if number > 1 or not text.lower().startswith("sep="):
                yield text + "\n"

    csv.field_size_limit(MAX_CELL)
    delimiter = _delimiter(path)
    rows = csv.reader(lines(), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        begin = last + 1
        try:
            cells = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            faults.append(Fault(begin, f"is not valid csv: {_in_words(error)}"))
            continue
        # A faulty line before this row does not belong to it. A row over several lines begins on the first.
        begin = max(begin, last - sum(cell.count("\n") for cell in cells))
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _without_empty_end([cell.strip() for cell in cells])
            faults += [Fault(begin, reason) for reason in faults_of_header([n for n in header if n])]
            continue
        if (found := _by_column(begin, header, _without_empty_end(cells, len(header)), faults)) is not None:
            yield begin, found if delimiter == "," else _with_points(found)
    if header is None and not faults:
        faults.append(Fault(1, "the file is empty; the first line names the columns, such as prompt,seed"))


def _in_words(error: csv.Error) -> str:
    """The fault with its remedy, where the library names none."""
    if str(error) == "unexpected end of data":
        return "a quote is opened here and closed nowhere; close it, or write a quote that is text as two"
    if "expected after" in str(error):
        return "a cell goes on behind its closing quote; write a quote that is text as two"
    return str(error)


def _delimiter(path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((text for _, text in read_lines(path, []) if text.strip()), "")
    if first.lower().startswith("sep=") and len(first.strip()) == 5:
        return first.strip()[4]
    for delimiter in DELIMITERS:
        try:
            names = next(csv.reader([first], delimiter=delimiter))
        except csv.Error:
            continue
        if "prompt" in (known(name.strip()) for name in names):
            return delimiter
    return ","


def _without_empty_end(cells: list[str], least: int = 0) -> list[str]:
    """The cells without the empty ones that spreadsheets add at the end of a row."""
    end = len(cells)
    while end > least and not cells[end - 1].strip():
        end -= 1
    return cells[:end]


def _by_column(
    line: int, header: Sequence[str], cells: Sequence[str], faults: list[Fault]
) -> dict[str, str] | None:
    if len(cells) != len(header):
        reason = f"has {len(cells)} cells; the header has {len(header)}"
        more = "; put a cell that holds the separator in double quotes" if len(cells) > len(header) else ""
        faults.append(Fault(line, reason + more))
        return None
    for number, (name, cell) in enumerate(zip(header, cells, strict=True), start=1):
        if not name and cell.strip():
            faults.append(
                Fault(line, f"has {cell[:40]!r} in column {number}, which has no name; give it one")
            )
            return None
    return {name: cell for name, cell in zip(header, cells, strict=True) if name and cell != ""}


def _with_points(cells: Mapping[str, str]) -> dict[str, str]:
    """The cells, with decimal commas replaced by points."""
    return {
        name: cell.replace(",", ".") if _is_number(name) and _DECIMAL_COMMA.fullmatch(cell.strip()) else cell
        for name, cell in cells.items()
    }


def _is_number(name: str) -> bool:
    column = COLUMNS.get(known(name) or name)
    return column is not None and column.written in (int, float)
