"""Writes the summary of a run: an index, pages of a gallery and a contact sheet."""

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from PIL import Image, ImageDraw, ImageFont

from limelight.files import UnreadableFile, open_regular
from limelight.pipeline.atomic import write_whole
from limelight.pipeline.batch.journal import Ledger
from limelight.pipeline.batch.rows.columns import FIELDS
from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.batch.summary.gallery import Entry, pages_of
from limelight.pipeline.requests.values import as_json
from limelight.pipeline.results.segmentation import merge_coco

logger = logging.getLogger(__name__)

_TILE, _GAP, _LABEL, _COLUMNS = 160, 12, 34, 6
_PAPER, _INK, _FAINT = "#faf9f6", "#1c1b1a", "#8a8680"


def contact_sheet(output: Path, entries: Sequence[Entry]) -> Image.Image:
    """Thumbnails with their prompts."""
    columns = min(_COLUMNS, len(entries))
    count = -(-len(entries) // columns)
    font = ImageFont.load_default(size=12)
    size = columns * (_TILE + _GAP) + _GAP, count * (_TILE + _LABEL + _GAP) + _GAP
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, entry in enumerate(entries):
        x = _GAP + index % columns * (_TILE + _GAP)
        y = _GAP + index // columns * (_TILE + _LABEL + _GAP)
        small = _small(output / entry["file"])
        sheet.paste(small, (x + (_TILE - small.width) // 2, y + (_TILE - small.height) // 2))
        draw.text((x, y + _TILE + 3), _cut(str(entry["prompt"]), font), fill=_INK, font=font)
        note = f"{entry['id'] or entry['key'][:8]}  seed {entry.get('seed', 0)}"
        draw.text((x, y + _TILE + 18), _cut(note, font), fill=_FAINT, font=font)
    return sheet


def _small(path: Path) -> Image.Image:
    """A thumbnail of a picture; an empty one if the file has been damaged since it was written."""
    try:
        with open_regular(path) as file, Image.open(file) as image:
            scale = _TILE / max(image.size)
            size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
            return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, UnreadableFile) as error:
        logger.warning("%s cannot be read (%s); delete it, and the next run draws it again", path, error)
        return Image.new("RGB", (_TILE, _TILE), _FAINT)


def _cut(text: str, font: Any) -> str:
    text = " ".join(text.split())[:200]
    if font.getlength(text) <= _TILE:
        return text
    while text and font.getlength(text + "\N{HORIZONTAL ELLIPSIS}") > _TILE:
        text = text[:-1]
    return text + "\N{HORIZONTAL ELLIPSIS}"


SHEET = 60  # pictures
CHECKS = ("check", "weakest", "described")
# Columns of the index that are not the caller's. A column of the caller with such a name becomes `own_...`.
_RESERVED = {"key", "line", "status", "file", "error", "is_constant", "seconds", "maps", *CHECKS}


def write_summary(output: Path, rows: Mapping[str, Row], ledger: Ledger) -> list[Path]:
    """Writes the index, the gallery and a contact sheet, each atomically.

    They are `index.parquet` (`index.csv` without pyarrow), `index.html` with further pages for many pictures,
    `contact-sheet.jpg` of the first pictures, and, if there are maps, `coco.json` with the words' masks.

    Raises:
        OutputError: the folder cannot be written to.
    """
    # In the manifest's order, not in the order of drawing.
    ordered = sorted(rows.items(), key=lambda pair: pair[1].line)
    entries = [_entry(key, row, ledger) for key, row in ordered]
    drawn = [entry for entry in entries if entry["status"] == "done"]
    removed = [_removed(key, line) for key, line in ledger.done.items() if key not in rows]
    written = [_write_index(output, [*entries, *removed])]
    for name, text in pages_of(entries):
        data = text.encode(errors="replace")
        written.append(write_whole(output / name, partial(_write, data=data)))
    annotations = {each["file"]: output / "maps" / f"{Path(each['file']).stem}-coco.json" for each in drawn}
    if found := {file: path for file, path in annotations.items() if path.is_file()}:
        written.append(merge_coco(found, output / "coco.json"))
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
        **{name: line[name] for name in CHECKS if name in line},
        "maps": f"maps/{Path(line['file']).stem}-maps.png" if line.get("maps") else None,
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
    """The values; as text if they have several types, or one that no column can have."""
    types = {type(value) for value in values if value is not None}
    if types == {int} and any(not -(2**63) <= value < 2**63 for value in values if value is not None):
        types = {object}  # seeds go to 2^64 - 1, and a column of integers to 2^63 - 1
    if types <= {str} or types <= {bool} or types <= {int} or types <= {int, float}:
        return [float(v) if types == {int, float} and v is not None else v for v in values]
    return [v if v is None or isinstance(v, str) else _as_text(v) for v in values]


def _as_text(value: Any) -> str:
    return json.dumps(as_json(value), ensure_ascii=False)
