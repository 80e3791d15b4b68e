"""Manifests as they are on disk: csv, tsv, jsonl, parquet, and txt with a prompt on each line."""

import codecs
import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from limelight.pipeline.batch.errors import Fault
from limelight.pipeline.batch.rows.columns import misspelt, typed
from limelight.pipeline.errors import UnknownName, UsageError

MAX_LINE = 2**20  # bytes; a prompt of the greatest length takes 80,000 at most


def read_lines(path: Path, faults: list[Fault]) -> Iterator[tuple[int, str]]:
    """Yields number, from 1, and text of each line that is valid UTF-8, without its end.

    A byte order mark is dropped; lines end in LF or CRLF. No more than `MAX_LINE` is held at a time.

    Args:
        faults: is added to.
    """
    with path.open("rb") as file:
        number, offset = 0, 0
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            length = len(raw)
            if not raw.endswith(b"\n") and length > MAX_LINE:
                while rest := file.readline(MAX_LINE):
                    length += len(rest)
                    if rest.endswith(b"\n"):
                        break
                faults.append(Fault(number, f"has {length:,} bytes; at most {MAX_LINE:,}"))
            else:
                text = _decoded(raw, number, offset, faults)
                if text is not None:
                    yield number, text
            offset += length


def _decoded(raw: bytes, number: int, offset: int, faults: list[Fault]) -> str | None:
    if number == 1 and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        faults.append(Fault(1, "the file is UTF-16; save it as UTF-8"))
        return None
    if (nul := raw.find(b"\0")) >= 0:
        faults.append(Fault(number, f"byte {offset + nul} of the file is NUL; remove it"))
        return None
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        # utf-8-sig counts from behind the mark
        start = offset + error.start + (3 if number == 1 and raw.startswith(codecs.BOM_UTF8) else 0)
        value = raw[start - offset]
        faults.append(
            Fault(number, f"byte {start} of the file is 0x{value:02x}, not UTF-8; save the file as UTF-8")
        )
        return None
    return text.removesuffix("\n").removesuffix("\r")


Record = tuple[int, dict[str, Any]]  # line, value of each column that has one


def read_manifest(path: Path, faults: list[Fault]) -> Iterator[Record]:
    """Yields the rows that can be read.

    Args:
        faults: is added to; what is wrong with a row keeps it out.

    Raises:
        UsageError: there is no such file, or it is of no known kind.
    """
    kinds: dict[str, Callable[[Path, list[Fault]], Iterator[Record]]] = {
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".jsonl": _read_jsonl,
        ".txt": _read_txt,
        ".parquet": _read_parquet,
    }
    kind = path.suffix.lower()
    if kind not in kinds:
        raise UnknownName("kind of manifest", kind or path.name, kinds)
    try:
        yield from kinds[kind](path, faults)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


def _read_txt(path: Path, faults: list[Fault]) -> Iterator[Record]:
    for line, text in read_lines(path, faults):
        if prompt := text.strip():
            yield line, {"prompt": prompt}


def _read_jsonl(path: Path, faults: list[Fault]) -> Iterator[Record]:
    checked: set[str] = set()
    for line, text in read_lines(path, faults):
        if not text.strip():
            continue
        try:
            values = json.loads(text, object_pairs_hook=_without_twins)
        except (ValueError, RecursionError) as error:
            faults.append(Fault(line, f"is not valid JSON: {error}"))
            continue
        if not isinstance(values, dict):
            faults.append(Fault(line, f"holds {text.strip()[:40]!r}; must be an object, {{...}}"))
            continue
        wrong = [reason for name in values if name not in checked and (reason := misspelt(name))]
        checked |= values.keys()
        faults += [Fault(line, reason) for reason in wrong]
        if not wrong and (row := _typed(line, values, faults)) is not None:
            yield line, row


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twins = sorted({name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1})
        raise ValueError(f"{', '.join(map(repr, twins))} is given more than once")
    return values


def _read_csv(path: Path, faults: list[Fault]) -> Iterator[Record]:
    last = 0

    def lines() -> Iterator[str]:
        nonlocal last
        for number, text in read_lines(path, faults):
            last = number
            yield text + "\n"

    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows = csv.reader(lines(), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        begin = last + 1
        try:
            cells = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            faults.append(Fault(begin, f"is not valid csv: {error}"))
            continue
        # A faulty line before this row is no part of it; a row over several lines begins at its first.
        begin = max(begin, last - sum(cell.count("\n") for cell in cells))
        if not any(cells):
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            faults += [Fault(begin, reason) for reason in _faults_of_header(header)]
        elif len(cells) != len(header):
            faults.append(Fault(begin, f"has {len(cells)} cells; the header has {len(header)}"))
        else:
            given = {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""}
            if (row := _typed(begin, given, faults)) is not None:
                yield begin, row
    if header is None and not faults:
        faults.append(Fault(1, "the file is empty; the first line names the columns, such as prompt,seed"))


def _faults_of_header(header: Sequence[str]) -> list[str]:
    reasons = [reason for name in header if (reason := misspelt(name))]
    reasons += [
        f"column {n!r} is there {header.count(n)} times" for n in dict.fromkeys(header) if header.count(n) > 1
    ]
    if "prompt" not in header and not any("'prompt'" in reason for reason in reasons):
        reasons.append(f"there is no column 'prompt'; the columns are {', '.join(map(repr, header[:20]))}")
    return reasons


def _read_parquet(path: Path, faults: list[Fault]) -> Iterator[Record]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UsageError(f"{path} needs pyarrow; pip install 'limelight[batch]', or give a .csv") from None
    with path.open("rb") as stream:
        try:
            file = ParquetFile(stream)
            reasons = _faults_of_header(file.schema_arrow.names)
            faults += [Fault(1, reason) for reason in reasons]
            line = 0
            for batch in file.iter_batches() if not reasons else ():
                for values in batch.to_pylist():
                    line += 1
                    given = {name: value for name, value in values.items() if value is not None}
                    if (row := _typed(line, given, faults)) is not None:
                        yield line, row
        except ArrowException as error:
            raise UsageError(f"{path} cannot be read as parquet: {error}") from None


def _typed(line: int, values: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any] | None:
    row, is_right = {}, True
    for name, value in values.items():
        try:
            read = typed(name, value)
        except ValueError as error:
            faults.append(Fault(line, str(error)))
            is_right = False
            continue
        if read is not None:
            row[name] = read
    return row if is_right else None
