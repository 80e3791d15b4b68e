"""A process ends with the right code and all of its output, and without an unexpected traceback."""

import subprocess
import sys

import pytest

BEGIN = "import atexit, sys; from limelight.app import lifetime\ndef main():\n    "


def run(body: str) -> "subprocess.CompletedProcess[str]":
    code = f"{BEGIN}{body}\nlifetime.run(main)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("pass", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('why')", 1, "why\n"),
    ],
)
def test_exit_codes_and_messages_are_those_of_the_interpreter(body: str, code: int, message: str) -> None:
    ended = run(body)
    assert (ended.returncode, ended.stderr) == (code, message)


def test_a_bug_prints_its_whole_traceback() -> None:
    ended = run("return 1 / 0")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr and "ZeroDivisionError" in ended.stderr


def test_output_is_flushed_and_exit_handlers_run() -> None:
    ended = run("atexit.register(print, 'bye'); print('hello')")
    assert ended.stdout == "hello\nbye\n"


def test_a_closed_pipe_causes_no_traceback() -> None:
    code = f"{BEGIN}print('x' * 10**6); print('more', flush=True)\nlifetime.run(main)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    message = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), message) == (141, "")


def test_garbage_is_collected_once_all_is_loaded() -> None:
    ended = run("import gc; print(gc.isenabled()); lifetime.loaded(); print(gc.isenabled())")
    assert ended.stdout.split() == ["False", "True"]
