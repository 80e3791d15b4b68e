"""Text of strangers on a terminal."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from limelight.app import cli, report
from limelight.pipeline.errors import OutputError, UsageError

CODE = "from limelight.app import lifetime, report\ndef main():\n    {}\nlifetime.run(main)"


def test_no_escape_sequence_and_no_lone_surrogate_is_left():
    shown = report.plain("a\x1b]0;pwned\x07\x1b[2J\x9b31m\u202eb\udcff\r\nc\td")
    assert shown == "a�]0;pwned��[2J�31m�b��\nc\td"
    shown.encode()


@pytest.mark.parametrize(
    "emoji", ["👨\u200d👩\u200d👧", "🏴" + "".join(chr(0xE0000 + ord(c)) for c in "gbeng\x7f")]
)
def test_a_joined_emoji_is_printed_as_typed(emoji, capsys):
    report.say(f"{emoji}\x1b[2J\u202e")
    assert capsys.readouterr().out == f"{emoji}�[2J�\n"


def test_a_long_message_keeps_its_beginning_and_its_end():
    shown = report.plain("the name " + "y" * 3_000_000 + " is unknown")
    assert len(shown) < 4_100
    assert shown.startswith("the name y") and shown.endswith("y is unknown")
    assert "[... 2,996,020 characters ...]" in shown


@pytest.mark.parametrize("tell", [report.complain, report.say])
def test_all_messages_are_cleaned(capsys, tell):
    tell("\x1b[2J")
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err and "[2J" in out + err


def test_warnings_and_errors_are_cleaned_too(capsys, monkeypatch):
    report.show_warning(UserWarning("\x1b[2J"), UserWarning, "x.py", 1)

    def refused() -> None:
        raise UsageError("\x1b[3J")

    monkeypatch.setattr(cli, "app", refused)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err and "[2J" in err and "[3J" in err


def test_a_record_is_shown_as_text(capsys):
    report.show_record({"\x1b[2Jkey": "[red]\x1b]8;;http://x\x07", "n": {"a": "x" * 5_000_000}})
    out = capsys.readouterr().out
    assert "\x1b" not in out and "[red]" in out
    assert len(out) < 20_000


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.ENOSPC, errno.EACCES])
def test_errors_of_the_system_are_not_reported_as_bugs(capsys, monkeypatch, number):
    def refused() -> None:
        raise OSError(number, os.strerror(number), "a" * 9_000)

    monkeypatch.setattr(cli, "app", refused)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert os.strerror(number) in err and len(err) < 5_000


def _ended(body: str, **streams) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", CODE.format(body)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no /dev/full")
def test_a_full_stdout_is_reported_in_one_line_at_the_end_too():
    with open("/dev/full", "w") as full:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        ended = _ended("print('x')", stdout=full, env=env)
    assert ended.stderr.endswith(
        "limelight: the standard output cannot be written: No space left on device\n"
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (2, False)


def test_a_full_stdout_is_a_usage_error(monkeypatch):
    class Full:
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self) -> None:
            pass

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OutputError, match="the standard output cannot be written: No space left on device"):
        report.say("x")


def test_a_closed_stdout_is_an_empty_one_and_no_file_takes_its_place(tmp_path):
    path = tmp_path / "a"
    body = f"report.say('lost'); f = open({str(path)!r}, 'w'); f.write('kept'); f.close(); report.say('lost')"
    ended = _ended(body, preexec_fn=lambda: os.close(1))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert path.read_text() == "kept"


def test_a_closed_pipe_ends_the_command_quietly():
    read, write = os.pipe()
    os.close(read)
    ended = _ended("report.say('x')", stdout=write)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_terminal_without_a_character_gets_its_code():
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    ended = _ended("report.set_up(); report.complain('é')", stdout=subprocess.PIPE, env=env)
    assert (ended.returncode, ended.stderr) == (0, "limelight: \\xe9\n")
