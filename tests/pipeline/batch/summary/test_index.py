"""The index of a run: a column for every field that a manifest can have."""

import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyarrow import parquet

from limelight.pipeline.batch.journal import Ledger
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.summary.summary import write_summary

CELLS = {
    "scale_words": "cat=2",
    "blend_words": "cat|dog",
    "blend": "0.3,0.2",
    "keep": "0.6,0.4",
    "edit_of": "a dog",
    "paint": "cat@0,0,0.5,1",
    "regions": "a cat@0,0,0.5,1",
    "heads": "cross:0=0",
    "freeu": "1.5,1.6,0.9,0.2",
    "image": "image.png",
    "timesteps": "900,500,20",
}


def index_of(folder: Path, cells: dict[str, str]) -> dict[str, Any]:
    Image.new("RGB", (16, 16), "red").save(folder / "image.png")
    with (folder / "m.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([["prompt", "seed", *cells], ["a cat", "3", *cells.values()]])
    rows = {f"{row.line:024x}": row for row in read_rows(folder / "m.csv").rows}
    write_summary(folder, rows, Ledger(folder, "run"))
    (row,) = parquet.read_table(folder / "index.parquet").to_pylist()
    return row


@pytest.mark.parametrize("name", CELLS)
def test_each_field_has_its_column(name: str, tmp_path: Path) -> None:
    needed = {"edit_of": CELLS["edit_of"]} if name in ("blend_words", "blend", "keep") else {}
    assert index_of(tmp_path, {name: CELLS[name], **needed})[name] is not None


def test_weights_of_words_are_written_as_the_record_has_them(tmp_path: Path) -> None:
    assert index_of(tmp_path, {"scale_words": "cat=2"})["scale_words"] == '[{"word": "cat", "scale": 2.0}]'
