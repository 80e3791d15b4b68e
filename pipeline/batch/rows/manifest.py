"""Reads manifests: csv, tsv, jsonl, parquet, and txt with a prompt on each line."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from limelight.files import open_regular
from limelight.pipeline.batch.errors import Fault
from limelight.pipeline.batch.rows.columns import typed
from limelight.pipeline.batch.rows.csv_cells import read_csv
from limelight.pipeline.batch.rows.lines import read_lines
from limelight.pipeline.batch.rows.names import SIZE, faults_of_header, faults_of_names, known
from limelight.pipeline.batch.rows.txt_cells import read_txt
from limelight.pipeline.errors import UnknownName, UsageError

Record = tuple[int, dict[str, Any]]  # line, values of fields and columns
Cells = Iterator[tuple[int, Mapping[str, Any]]]  # line, values under the manifest's own names, not yet typed


def read_manifest(path: Path, faults: list[Fault]) -> Iterator[Record]:
    """Yields the rows that can be read.

    Args:
        faults: faults are appended to it; rows with faults are left out.

    Raises:
        UsageError: there is no such file, or its format is unknown.
    """
    kinds: dict[str, Callable[[Path, list[Fault]], Cells]] = {
        ".csv": read_csv,
        ".tsv": read_csv,
        ".jsonl": _read_jsonl,
        ".txt": read_txt,
        ".parquet": _read_parquet,
    }
    kind = path.suffix.lower()
    if kind not in kinds:
        raise UnknownName("kind of manifest", kind or path.name, kinds)
    try:
        for line, cells in kinds[kind](path, faults):
            if (row := _typed(line, cells, faults)) is not None:
                yield line, row
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None


def _read_jsonl(path: Path, faults: list[Fault]) -> Cells:
    checked: set[tuple[str, ...]] = set()
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
        names = tuple(values)
        wrong = faults_of_names(names) if names not in checked else []
        faults += [Fault(line, reason) for reason in wrong]
        if not wrong:
            checked.add(names)
            yield line, values


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        times = Counter(name for name, _ in pairs)
        twins = sorted(repr(name[:40]) for name in times if times[name] > 1)
        raise ValueError(f"{', '.join(twins[:20])} is given more than once")
    return values


def _read_parquet(path: Path, faults: list[Fault]) -> Cells:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise UsageError(f"{path} needs pyarrow; pip install 'limelight[batch]', or give a .csv") from None
    with open_regular(path) as stream:
        try:
            file = ParquetFile(stream)
            reasons = faults_of_header(file.schema_arrow.names)
            faults += [Fault(1, reason) for reason in reasons]
            line = 0
            for batch in file.iter_batches() if not reasons else ():
                for values in batch.to_pylist():
                    line += 1
                    yield line, {name: value for name, value in values.items() if value is not None}
        except ArrowException as error:
            raise UsageError(f"{path} cannot be read as parquet: {error}") from None


def _typed(line: int, cells: Mapping[str, Any], faults: list[Fault]) -> dict[str, Any] | None:
    row: dict[str, Any] = {}
    is_right = True
    for name, value in cells.items():
        ours = known(name) or name
        try:
            read = _both_sides(value) if ours == SIZE else {ours: typed(ours, value)}
        except ValueError as error:
            faults.append(Fault(line, str(error)))
            is_right = False
            continue
        row |= {each: value for each, value in read.items() if value is not None}
    return row if is_right else None


def _both_sides(size: Any) -> dict[str, int]:
    """Parses `512x768` as width and height."""
    width, _, height = str(size)[:40].lower().partition("x")
    if not (width.strip().isdecimal() and height.strip().isdecimal()):
        raise ValueError(f"size is {str(size)[:40]!r}; must be WIDTHxHEIGHT such as 512x768")
    return {"width": int(width), "height": int(height)}
