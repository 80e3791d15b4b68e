"""`batch --check`: how well words fit is in the index, the gallery and the record."""

import json
import logging
from pathlib import Path

import pytest
from pyarrow import parquet

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.batch import worker
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.run import Run, open_output
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World
from limelight.pipeline.reading import described_check
from limelight.pipeline.reading.check import Atom, Check
from limelight.pipeline.results.png import read_record
from limelight.pipeline.text.encoder import Word
from tests.pipeline.batch.conftest import write_rows


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=4)


def draw(pipe: TextToImagePipeline, folder: Path, rows: list[str]) -> Path:
    output, world = folder / "out", World(run="1")
    lock = open_output(output, world)
    try:
        manifest = read_rows(write_rows(folder / "m.csv", rows))
        Run.begin(manifest, output, world, lock, pipe.engine, checks=True).draw(Stop(), lambda left: None)
    finally:
        lock.leave()
    return output


def test_the_index_says_how_well_the_words_fit(tmp_path: Path, pipe: TextToImagePipeline) -> None:
    output = draw(pipe, tmp_path, ["a cat in a box,1,2", "of the,2,2"])
    first, second = parquet.read_table(output / "index.parquet").to_pylist()
    found = read_record(output / first["file"])["check"]
    assert first["check"] == found["geometric_mean"] and 0 <= first["check"] <= 1
    assert first["weakest"] == min(found["words"], key=lambda each: each["score"])["word"]
    assert [each["word"] for each in found["words"]] == ["cat", "box"]
    assert (second["check"], second["weakest"]) == (1.0, "")
    assert "described" not in first  # noise is not of the describer's world
    page = (output / "index.html").read_text()
    assert f"words fit {first['check']:.2f}, least {first['weakest']}" in page and "least none" in page


def test_what_the_describer_sees_is_a_column_of_its_own(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    atoms = (Atom(Word("cat", (2, 5), ()), "things", 0.9), Atom(Word("box", (11, 14), ()), "things", 0.4))
    monkeypatch.setattr(described_check, "check_by_describer", lambda *_: Check(atoms))
    output = draw(pipe, tmp_path, ["a cat in a box,1,2"])
    (row,) = parquet.read_table(output / "index.parquet").to_pylist()
    assert row["described"] == pytest.approx(0.6, abs=1e-3) and row["check"] != row["described"]
    found = read_record(output / row["file"])["check"]["describer"]
    assert [each["score"] for each in found["words"]] == [0.9, 0.4]
    assert "as the describer sees it 0.60" in (output / "index.html").read_text()


def test_a_check_that_fails_loses_no_picture(
    tmp_path: Path,
    pipe: TextToImagePipeline,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(worker, "checked", broken)
    with caplog.at_level(logging.WARNING):
        output = draw(pipe, tmp_path, ["a cat,1,2"])
    (row,) = parquet.read_table(output / "index.parquet").to_pylist()
    assert row["status"] == "done" and "check" not in row
    assert "could not be checked: no memory left" in caplog.text
    assert "check" not in json.dumps(read_record(output / row["file"]))
