"""Journals that were cut anywhere, and folders that two runs use at once."""

import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from limelight.pipeline.batch.errors import OutputInUse, OutputLost
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import Owner, WorkerLock


def ledger(folder: Path, run: str = "r") -> Ledger:
    read = Ledger(folder, run)
    read.read()
    return read


def test_a_journal_cut_at_any_byte_loses_its_last_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "0000.jsonl"
    with Journal(path) as journal:
        for key in "abc":
            journal.append({"done": key, "file": f"{key} é.png", "bytes": 1})
    whole = path.read_bytes()
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            journal.append({"done": "d", "file": "d.png", "bytes": 1})
        found = ledger(tmp_path)
        count = sum(end <= cut for end in ends)  # a line that lacks nothing but its end counts
        assert set(found.done) == set("abc"[:count]) | {"d"}
        assert found.num_torn == (cut > 0 and cut not in ends and cut - 1 not in ends)


def test_a_line_is_read_once_it_is_complete(tmp_path: Path) -> None:
    line = json.dumps({"done": "a", "file": "a.png", "bytes": 1}).encode() + b"\n"
    (tmp_path / "0000.jsonl").write_bytes(line[:10])
    found = ledger(tmp_path)
    assert not found.done
    (tmp_path / "0000.jsonl").write_bytes(line)
    found.read()
    assert set(found.done) == {"a"} and not found.num_torn


def test_claims_and_failures_are_of_one_run_and_pictures_of_all(tmp_path: Path) -> None:
    with Journal(tmp_path / "0000.jsonl") as journal:
        journal.append({"begin": "before"})
        journal.append({"claim": ["a", "b", "c"]})
        journal.append({"done": "a", "file": "a.png", "bytes": 1})
        journal.append({"failed": "b", "error": "no"})
        assert ledger(tmp_path, "before").claims == {"0000": {"a", "b", "c"}}
        found = ledger(tmp_path, "now")
        assert (set(found.done), found.failed, found.claims) == ({"a"}, {}, {})
        journal.append({"begin": "now"})
        journal.append({"claim": ["c"]})
        found.read()
        assert found.claims == {"0000": {"c"}}
    with Journal(tmp_path / "0001.jsonl") as other:
        other.append({"dead": "0000", "run": "now"})
    assert ledger(tmp_path, "now").claims == {}


def png() -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_picture_that_is_gone_or_changed_is_not_done(tmp_path: Path) -> None:
    whole = png()
    contents = {
        "whole": whole,
        "cut": whole[:-1],
        "flipped": bytes([whole[0] ^ 1]) + whole[1:],
        "zeros": bytes(len(whole)),
        "header": whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
        "end": whole[:-1] + b"x",
        "longer": whole + b"x",
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.png").write_bytes(content)
    os.mkfifo(tmp_path / "fifo.png")
    with Journal(tmp_path / "0000.jsonl") as journal:
        for name in (*contents, "gone", "fifo"):
            journal.append({"done": name, "file": f"{name}.png", "bytes": len(whole)})
    found = ledger(tmp_path)
    assert found.forget_missing(tmp_path) == 8
    assert set(found.done) == {"whole"}


ODD = [
    '{"begin": []}',
    '{"done": {}}',
    '{"done": "a"}',
    '{"done": "a", "file": 3, "bytes": 4}',
    '{"done": "a", "file": "a.png", "bytes": "x"}',
    '{"done": "a", "file": "../a.png", "bytes": 4}',
    '{"done": "a", "file": "/etc/passwd", "bytes": 4}',
    '{"claim": "a"}',
    '{"claim": [[]]}',
    '{"failed": [], "error": "x"}',
    '{"failed": "a", "error": {}}',
    '{"dead": 3}',
    "[" * 100_000,
    "3",
    "9" * 5000,
]


@pytest.mark.parametrize("line", ODD)
def test_a_line_of_wrong_types_is_ignored(tmp_path: Path, line: str) -> None:
    (tmp_path / "0000.jsonl").write_text(f'{{"begin":"run"}}\n{line}\n{{"claim":["b"]}}\n')
    found = ledger(tmp_path, run="run")
    assert (found.num_torn, found.done, found.failed) == (1, {}, {})
    assert found.claims == {"0000": {"b"}}


def test_a_journal_whose_folder_is_gone_says_so(tmp_path: Path) -> None:
    with Journal(tmp_path / "0000.jsonl") as journal:
        (tmp_path / "0000.jsonl").unlink()
        with pytest.raises(OutputLost, match="is gone"):
            journal.append({"done": "a"})


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    first = WorkerLock(tmp_path, "0000", "one")
    for worker in ("0000", "0001"):
        with pytest.raises(
            OutputInUse, match=r"is being drawn into by process \d+ on .*; wait until it is done"
        ):
            WorkerLock(tmp_path, worker, "two")
    other = WorkerLock(tmp_path, "0001", "one")
    assert other.is_held("0000") and not other.is_dead("0000")
    first.leave()
    assert other.is_dead("0000")
    other.leave()
    WorkerLock(tmp_path, "0000", "two").leave()


def test_a_lock_that_nobody_holds_is_stale_if_its_owner_was_here(tmp_path: Path) -> None:
    me = Owner.me("before")

    def left_by(**changes: object) -> None:
        values = {name: getattr(me, name) for name in Owner.__slots__} | changes
        (tmp_path / "0000.owner").write_text(json.dumps(values))

    for changes in ({}, {"boot": "another"}, {"host": "another"}):
        left_by(**changes)
        lock = WorkerLock(tmp_path, "0000", "now")
        assert lock.recovered is not None and lock.recovered.run == "before"
        lock.leave()
    left_by(host="another", boot="another", pid=77)
    with pytest.raises(
        OutputInUse, match=r"process 77 on another; if it is gone for good, remove .*0000.owner"
    ):
        WorkerLock(tmp_path, "0000", "now")
    (tmp_path / "0000.owner").write_text("{torn")
    WorkerLock(tmp_path, "0000", "now").leave()


def test_a_new_run_removes_partial_files_of_killed_processes(tmp_path: Path) -> None:
    journal, torn = tmp_path / "journal", tmp_path / "maps" / ".0123456789abcdef.tmp"
    for folder in (journal, torn.parent):
        folder.mkdir()
    mine = tmp_path / "notes.tmp"
    torn.touch()
    mine.touch()
    killed = [WorkerLock(journal, worker, "one") for worker in ("0000", "0001")]
    assert torn.exists()  # no process has died
    for lock in killed:
        lock._lock.release()  # as the system does when a process dies
    first = WorkerLock(journal, "0000", "two")
    assert first.recovered is not None and first.recovered.run == "one"
    assert not torn.exists() and mine.exists()
    torn.touch()  # what the new run is writing
    second = WorkerLock(journal, "0001", "two")
    assert second.recovered is None and torn.exists()
    for lock in (first, second):
        lock.leave()
