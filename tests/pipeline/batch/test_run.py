"""Whole runs on the default model: killed, stopped, edited, and disturbed."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.batch.journal import Ledger
from limelight.pipeline.results.png import read_record
from tests.pipeline.batch.conftest import Draw, pictures, write_rows

ROWS = [f"a {colour} {thing},{seed},2" for seed, (colour, thing) in enumerate(
    (colour, thing) for colour in ("red", "blue") for thing in ("apple", "star", "frog", "fish")
)]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., tuple[int, str]]) -> Path:
    """The output of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    assert draw(write_rows(folder / "m.csv", ROWS), folder / "out")[0] == 0
    assert len(pictures(folder / "out")) == len(ROWS)
    return folder / "out"


def assert_same(folder: Path, expected: Path) -> None:
    ours, theirs = pictures(folder), pictures(expected)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.abs(ours[name] - theirs[name]).max() <= 1, name


def lines(folder: Path, kind: str) -> list[str]:
    """Keys of all lines of a kind, in all journals."""
    import json

    found = []
    for path in (folder / "journal").glob("*.jsonl"):
        for line in path.read_bytes().split(b"\n"):
            try:
                found.append(json.loads(line)[kind])
            except (ValueError, KeyError):
                continue
    return found


def test_killed_at_random_moments_a_run_loses_and_repeats_nothing(
    tmp_path: Path, start: Draw, draw: Callable[..., tuple[int, str]], whole: Path
) -> None:
    manifest, rng = write_rows(tmp_path / "m.csv", ROWS), np.random.default_rng(0)
    for _ in range(4):
        process = start(manifest, tmp_path / "out")
        deadline, done = time.monotonic() + 60, len(lines(tmp_path / "out", "done"))
        while process.is_alive() and time.monotonic() < deadline:
            if len(lines(tmp_path / "out", "done")) > done or not rng.integers(200):
                break
            time.sleep(0.005)
        process.kill()
        process.join()
        pictures(tmp_path / "out")  # none of them is torn
    assert draw(manifest, tmp_path / "out")[0] == 0
    assert_same(tmp_path / "out", whole)
    done = lines(tmp_path / "out", "done")
    assert len(done) == len(set(done)) == len(ROWS)
    assert not list((tmp_path / "out").glob(".*.tmp"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order_and_the_same_command_goes_on(
    tmp_path: Path, start: Draw, draw: Callable[..., tuple[int, str]], whole: Path, number: signal.Signals
) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    process = start(manifest, tmp_path / "out", max_batch=1)
    while process.is_alive() and not lines(tmp_path / "out", "done"):
        time.sleep(0.005)
    assert process.pid is not None
    os.kill(process.pid, number)
    begun = time.monotonic()
    process.join(20)
    assert process.exitcode == 4
    assert time.monotonic() - begun < 4
    assert 0 < len(lines(tmp_path / "out", "done")) == len(pictures(tmp_path / "out")) < len(ROWS)
    assert draw(manifest, tmp_path / "out")[0] == 0
    assert_same(tmp_path / "out", whole)


def test_an_edited_manifest_draws_only_the_changed_rows(
    tmp_path: Path, draw: Callable[..., tuple[int, str]]
) -> None:
    out = tmp_path / "out"
    assert draw(write_rows(tmp_path / "m.csv", ROWS[:3]), out)[0] == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    edited = write_rows(tmp_path / "m.csv", [ROWS[2], ROWS[0], "a yellow fish,1,2"])
    code, printed = draw(edited, out)
    assert code == 0
    assert "3 of 3 pictures in" in printed and "; 1 drawn in" in printed
    assert "pictures of rows that the manifest no longer has, kept:" in printed
    after = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert before.items() <= after.items() and len(after) == 4


def test_removed_pictures_are_drawn_again(tmp_path: Path, draw: Callable[..., tuple[int, str]]) -> None:
    out = tmp_path / "out"
    manifest = write_rows(tmp_path / "m.csv", ROWS[:3])
    assert draw(manifest, out)[0] == 0
    expected = pictures(out)
    gone, cut, _ = sorted(out.glob("*.png"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-10])
    code, printed = draw(manifest, out)
    assert code == 0 and "pictures that are gone or were changed, drawn again: 2" in printed
    found = pictures(out)
    assert found.keys() == expected.keys()
    assert all(np.abs(found[name] - expected[name]).max() <= 1 for name in found)


def test_identical_rows_get_a_picture_each(tmp_path: Path, draw: Callable[..., tuple[int, str]]) -> None:
    code, printed = draw(write_rows(tmp_path / "m.csv", [ROWS[0]] * 3), tmp_path / "out")
    assert code == 0 and "2 rows repeat another, with the same seed; their pictures are equal" in printed
    assert len(pictures(tmp_path / "out")) == 3


@pytest.fixture
def as_many_threads_as_a_run() -> Iterator[None]:
    """One, as `draw`'s processes have: sums in another order round otherwise."""
    ours = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(ours)


@pytest.mark.usefixtures("as_many_threads_as_a_run")
def test_a_picture_knows_its_row_and_can_be_made_again(
    tmp_path: Path, draw: Callable[..., tuple[int, str]]
) -> None:
    header = "id,prompt,seed,num_steps,mood"
    manifest = write_rows(tmp_path / "m.csv", ["one,a red star,5,3,calm"], header)
    assert draw(manifest, tmp_path / "out", defaults={"record": "grid"})[0] == 0
    (path,) = (tmp_path / "out").glob("*.png")
    assert path.name.startswith("one-")
    record = read_record(path)
    assert record["row"]["id"] == "one" and record["row"]["columns"] == {"mood": "calm"}
    assert record["request"]["seed"] == 5 and record["request"]["record"] == "grid"
    kinds = {each.name.removeprefix(path.stem) for each in (tmp_path / "out" / "maps").iterdir()}
    assert {"-maps.png", "-maps.npz", "-steps.webp", "-word00.png"} <= kinds
    (image,) = json.loads((tmp_path / "out" / "coco.json").read_text())["images"]
    assert image["file_name"] == path.name
    again = TextToImagePipeline.from_pretrained("default", device="cpu")(
        GenerationRequest.from_dict(record["request"])  # as `limelight replay` does
    )
    assert np.array_equal(pictures(path.parent)[path.name], np.asarray(again.image))


def test_a_second_run_on_the_folder_is_refused_while_the_first_draws(
    tmp_path: Path, start: Draw, draw: Callable[..., tuple[int, str]], whole: Path
) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    first = start(manifest, tmp_path / "out", max_batch=1)
    while first.is_alive() and not lines(tmp_path / "out", "done"):
        time.sleep(0.005)
    os.kill(first.pid or 0, signal.SIGSTOP)
    try:
        second = start(manifest, tmp_path / "out")
        second.join(30)
    finally:
        os.kill(first.pid or 0, signal.SIGCONT)
    assert second.exitcode not in (0, None)
    assert f"is being drawn into by process {first.pid} on" in (tmp_path / "printed").read_text()
    first.join(60)
    assert first.exitcode == 0
    assert_same(tmp_path / "out", whole)


def test_torn_journal_and_clock_and_time_zone_do_not_matter(
    tmp_path: Path, draw: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    assert draw(write_rows(tmp_path / "some.csv", ROWS[:5]), tmp_path / "out")[0] == 0
    journal = tmp_path / "out" / "journal" / "0000.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    for path in (tmp_path / "out").rglob("*"):
        os.utime(path, (2**31 + 10**6,) * 2)  # in the future
    assert draw(manifest, tmp_path / "out")[0] == 0
    assert_same(tmp_path / "out", whole)
    ledger = Ledger(tmp_path / "out" / "journal", "")
    ledger.read()
    assert len(ledger.done) == len(ROWS) and ledger.num_torn == 1


def test_maps_that_a_finished_run_lacks_are_drawn_and_nothing_else(
    tmp_path: Path, draw: Callable[..., tuple[int, str]]
) -> None:
    manifest, out = write_rows(tmp_path / "m.csv", ROWS[:2]), tmp_path / "out"
    assert draw(manifest, out)[0] == 0
    before = pictures(out)
    maps = {"defaults": {"record": "grid"}}
    code, printed = draw(manifest, out, **maps)
    assert code == 0 and "no longer has" not in printed
    assert "pictures of an earlier run without maps, drawn again for them: 2" in printed
    assert pictures(out).keys() >= before.keys()
    assert {name for name in pictures(out) if not name.startswith("maps/")} == before.keys()
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert any("maps" in path.parts for path in made)
    for again in (maps, {}):  # maps that are there are not drawn again, nor is their picture without them
        code, printed = draw(manifest, out, **again)
        assert code == 0 and "2 of 2 pictures" in printed and "0 drawn" in printed
    assert {path: path.stat().st_mtime_ns for path in made} == made
