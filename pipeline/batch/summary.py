"""What a run leaves for people and for other programs: an index, pages and a contact sheet."""

import csv
import html
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

logger = logging.getLogger(__name__)

_TILE, _GAP, _LABEL, _COLUMNS = 160, 12, 34, 6
_PAPER, _INK, _FAINT = "#faf9f6", "#1c1b1a", "#8a8680"

Entry = dict[str, Any]  # a row of the index


def contact_sheet(output: Path, entries: Sequence[Entry]) -> Image.Image:
    """Small pictures with what was asked for below each."""
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
    """A picture as large as a tile; an empty one for a file that has rotted since it was written."""
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


def page_name(number: int) -> str:
    return "index.html" if number == 0 else f"index-{number + 1}.html"


def page(entries: Sequence[Entry], number: int, num_pages: int, total: int, drawn: int) -> str:
    failed = [entry for entry in entries if entry["status"] == "failed"]
    """One page of the gallery; what was typed is shown as text."""
    tiles = "\n".join(_tile(entry) for entry in entries if entry["status"] == "done")
    missing = "".join(
        f"<li>line {entry['line']}, <q>{html.escape(_brief(entry))}</q>: {html.escape(entry['error'])}</li>"
        for entry in failed
    )
    links = " ".join(
        f"<b>{i + 1}</b>" if i == number else f'<a href="{page_name(i)}">{i + 1}</a>'
        for i in range(num_pages)
    )
    return _HTML.format(
        title=f"{drawn:,} of {total:,} pictures",
        pages=f"<nav>{links}</nav>" if num_pages > 1 else "",
        failed=f"<details open><summary>{len(failed)} failed</summary><ul>{missing}</ul></details>"
        if failed
        else "",
        tiles=tiles,
    )


def _brief(entry: Entry) -> str:
    return str(entry["prompt"])[:300]


def _tile(entry: Entry) -> str:
    file, prompt = html.escape(entry["file"]), html.escape(_brief(entry))
    note = f"{entry['id'] or entry['key'][:8]} · seed {entry.get('seed', 0)}"
    if entry["is_constant"]:
        note += " · <em>of one colour</em>"
    return (
        f'<figure><a href="{file}"><img loading="lazy" src="{file}" alt="{prompt}"></a>'
        f"<figcaption>{prompt or '<i>an empty prompt</i>'}<small>{note}</small></figcaption></figure>"
    )


_HTML = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --paper: #faf9f6; --ink: #1c1b1a; --faint: #8a8680; --line: #e5e2dc; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: #161514; --ink: #eceae6; --faint: #8f8b85; --line: #33302d; }}
}}
body {{ margin: 0 auto; max-width: 90rem; padding: 2rem clamp(1rem, 4vw, 3rem) 4rem; background: var(--paper);
  color: var(--ink); font: 15px/1.4 system-ui, sans-serif; }}
h1 {{ font-size: 1.5rem; font-weight: 600; margin: 0 0 1.5rem; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1.5rem 1rem; }}
figure {{ margin: 0; }}
img {{ display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  border-radius: 6px; background: var(--line); }}
figcaption {{ margin-top: .5rem; overflow-wrap: anywhere; }}
small {{ display: block; color: var(--faint); font-variant-numeric: tabular-nums; }}
nav {{ display: flex; flex-wrap: wrap; gap: .75rem; margin: 0 0 1.5rem; }}
a {{ color: inherit; }}
details {{ border: 1px solid var(--line); border-radius: 6px; padding: .75rem 1rem; margin: 0 0 1.5rem; }}
summary {{ font-weight: 600; cursor: pointer; }}
em {{ font-style: normal; color: #c2410c; }}
</style>
<h1>{title}</h1>
{pages}{failed}
<main>
{tiles}
</main>
</html>
"""


PAGE = 1000  # pictures
SHEET = 60  # pictures
# Columns of the index that are not the caller's; one of the same name is kept as `own_...`.
_RESERVED = {"key", "line", "status", "file", "error", "is_constant", "seconds"}


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
    if types == {int} and any(not -(2**63) <= value < 2**63 for value in values if value is not None):
        types = {object}  # seeds go to 2^64 - 1, and a column of integers to 2^63 - 1
    if types <= {str} or types <= {bool} or types <= {int} or types <= {int, float}:
        return [float(v) if types == {int, float} and v is not None else v for v in values]
    return [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values]
