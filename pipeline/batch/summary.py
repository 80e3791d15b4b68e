"""What a run leaves for people and for other programs: an index, pages and a contact sheet."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from pipeline.batch.columns import FIELDS
from pipeline.batch.gallery import contact_sheet, page, page_name
from pipeline.batch.journal import Ledger
from pipeline.batch.rows import Row
from pipeline.whole import write_whole

PAGE = 1000  # pictures
SHEET = 60  # pictures
# Columns of the index that are not the caller's; one of the same name is kept as `own_...`.
_RESERVED = {"key", "line", "status", "file", "error", "is_constant", "seconds"}

Entry = dict[str, Any]


def write_summary(output: Path, rows: Mapping[str, Row], ledger: Ledger) -> list[Path]:
    """Writes `index.parquet` (`index.csv` where there is no pyarrow), `index.html` with more pages if there
    are many pictures, and `contact-sheet.jpg` of the first; each is there whole or not at all.

    Raises:
        OutputError: the folder cannot be written to.
    """
    # In the manifest's order, whatever order they were drawn in.
    ordered = sorted(rows.items(), key=lambda pair: pair[1].line)
    entries = [_entry(key, row, ledger) for key, row in ordered]
    drawn = [entry for entry in entries if entry["status"] == "done"]
    removed = [_removed(key, line) for key, line in ledger.done.items() if key not in rows]
    written = [_write_index(output, [*entries, *removed])]
    pages = [entries[i : i + PAGE] for i in range(0, len(entries), PAGE)]
    for number, some in enumerate(pages):
        text = page(some, number, len(pages), len(entries), len(drawn)).encode()
        written.append(write_whole(output / page_name(number), partial(_write, data=text)))
    if drawn:
        sheet = contact_sheet(output, drawn[:SHEET])
        written.append(
            write_whole(
                output / "contact-sheet.jpg", lambda file: sheet.save(file, format="JPEG", quality=90)
            )
        )
    return written


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _entry(key: str, row: Row, ledger: Ledger) -> Entry:
    line = ledger.done.get(key, {})
    status = "done" if line else "failed" if key in ledger.failed else "open"
    own = {f"own_{name}" if name in _RESERVED else name: value for name, value in row.columns.items()}
    return {
        "key": key,
        "id": row.id,
        "line": row.line,
        "status": status,
        "file": line.get("file"),
        "error": ledger.failed.get(key),
        "is_constant": bool(line.get("is_constant")),
        "seconds": line.get("seconds"),
        **{name: row.values.get(name) for name in FIELDS if name in row.values},
        **own,
    }


def _removed(key: str, line: Mapping[str, Any]) -> Entry:
    return {"key": key, "status": "removed", "file": line["file"]}


def _write_index(output: Path, entries: Sequence[Entry]) -> Path:
    names = list(dict.fromkeys(name for entry in entries for name in entry))
    columns = {name: _of_one_type([entry.get(name) for entry in entries]) for name in names}
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(names)
        table.writerows(zip(*columns.values(), strict=True))
        return write_whole(output / "index.csv", lambda file: file.write(text.getvalue().encode()))
    return write_whole(
        output / "index.parquet", lambda file: parquet.write_table(pyarrow.table(columns), file)
    )


def _of_one_type(values: list[Any]) -> list[Any]:
    """The values; as text, if they are of several types or of one that is no column's."""
    types = {type(value) for value in values if value is not None}
    if types <= {str} or types <= {bool} or types <= {int} or types <= {int, float}:
        return [float(v) if types == {int, float} and v is not None else v for v in values]
    return [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
