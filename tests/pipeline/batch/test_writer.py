"""Pictures are decoded one after another and saved several at once; after `stop` nothing more is written."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from limelight.pipeline import GenerationRequest
from limelight.pipeline.batch import writer as module
from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.journal import Journal
from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.batch.writer import Finished, Writer
from limelight.pipeline.errors import OutputError
from limelight.pipeline.results.result import Result

PATIENCE = 20.0  # seconds


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "j.jsonl") as journal:
        yield journal


def finished(key: str) -> Finished:
    image = Image.new("RGB", (8, 8), "red")
    request = GenerationRequest(prompt="a")
    result = Result(image=image, request=request, info={"is_constant": True, "request": {}}, maps=None)
    return Finished(
        Row(line=1, id=None, values={}, columns={}, parameters="", twin=0, number=1),
        key,
        f"{key}.png",
        lambda: result,
        0.0,
    )


def saved(image: Image.Image, info: dict[str, object], path: Path) -> Path:
    image.save(path)
    return path


def test_several_are_saved_at_once(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(module.SAVERS, timeout=PATIENCE)

    def meet(image: Image.Image, info: dict[str, object], path: Path) -> Path:
        together.wait()  # breaks, and the picture is not saved, where one is saved at a time
        return saved(image, info, path)

    monkeypatch.setattr(module, "save_png", meet)
    writer = Writer(tmp_path, journal)
    for number in range(module.SAVERS):
        writer.put(finished(str(number)))
    writer.drain(PATIENCE)
    writer.stop()
    assert writer.error is None
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == ["0", "1", "2", "3"]
    assert journal.path.read_text().count('"done"') == module.SAVERS


def test_stopping_finishes_the_files_being_saved_and_saves_no_others(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(image: Image.Image, info: dict[str, object], path: Path) -> Path:
        begun.set()
        assert may_end.wait(PATIENCE)
        return saved(image, info, path)

    monkeypatch.setattr(module, "save_png", slow)
    monkeypatch.setattr(module, "SAVERS", 1)
    writer = Writer(tmp_path, journal)
    for number in range(3):
        writer.put(finished(str(number)))
    assert begun.wait(PATIENCE)
    threading.Timer(0.2, may_end.set).start()
    writer.stop()
    assert [path.stem for path in tmp_path.glob("*.png")] == ["0"]
    assert writer.is_idle
    assert writer.error is None


def test_stopping_drops_what_is_queued_behind_the_picture_being_decoded(
    tmp_path: Path, journal: Journal
) -> None:
    begun, may_end = threading.Event(), threading.Event()
    first = finished("0")

    def decode() -> Result:
        begun.set()
        assert may_end.wait(PATIENCE)
        return first.finish()

    writer = Writer(tmp_path, journal)
    writer.put(replace(first, finish=decode))
    assert begun.wait(PATIENCE)
    for number in (1, 2):
        writer.put(finished(str(number)))
    threading.Timer(0.2, may_end.set).start()
    writer.stop()
    assert writer.is_idle
    assert not {"1.png", "2.png"} & {path.name for path in tmp_path.iterdir()}


def test_a_full_disk_stops_it(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Path:
        raise OutputError("cannot write x: No space left on device")

    monkeypatch.setattr(module, "save_png", full)
    writer = Writer(tmp_path, journal)
    writer.put(finished("0"))
    writer.drain(PATIENCE)
    assert isinstance(writer.error, OutputLost)
    writer.stop()
    assert '"failed":"0"' in journal.path.read_text()
