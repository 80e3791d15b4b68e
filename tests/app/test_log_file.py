"""The contents of a log file, and that logging changes nothing else."""

import logging
import re
from pathlib import Path

import pytest

from limelight.app import report
from limelight.app.log_file import logged
from limelight.pipeline.errors import OutputError

PACKAGE = logging.getLogger("limelight.pipeline.some")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \d+ (DEBUG|INFO|WARNING|ERROR) ")


def test_a_log_holds_messages_and_notes_and_is_appended_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "run.log"
    for _ in range(2):
        with logged(path):
            report.say("a result")
            report.complain("a complaint")
            PACKAGE.warning("a warning of %s", "a package")
            PACKAGE.info("a note")
    report.say("after it")
    lines = path.read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    said = [line.split(" ", 3)[3] for line in lines]
    assert said[:4] == ["a result", "a complaint", "a warning of a package", "a note"]
    # The warning is on the terminal too, as without a log; then it is noted as what was said there.
    out, err = capsys.readouterr()
    assert out.splitlines() == ["a result", "a result", "after it"]
    assert err.splitlines() == ["limelight: a complaint", "limelight: a warning of a package"] * 2
    assert said[4:] == said[:4]


def test_no_message_can_start_a_line_or_move_the_cursor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.log"
    # What pytest captures of logs goes from process to process as UTF-8, which has no lone surrogates.
    monkeypatch.setattr(logging.getLogger("limelight"), "propagate", False)
    with logged(path):
        report.complain("a\n2026-01-01T00:00:00Z 1 INFO forged\x1b[2J\udcff")
    text = path.read_text()
    assert "\x1b" not in text + capsys.readouterr().err
    assert len([line for line in text.splitlines() if LINE.match(line)]) == 1


def test_an_unwritable_log_is_refused_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write the log"), logged(tmp_path / "file" / "run.log"):
        pass


def test_a_full_disk_ends_the_log_and_not_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with logged(Path("/dev/full")):
        report.say("one")
        report.say("two")
    out, err = capsys.readouterr()
    assert out == "one\ntwo\n"
    assert err == "limelight: the log /dev/full cannot be written; the run goes on without it\n"
