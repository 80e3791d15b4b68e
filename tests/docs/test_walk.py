"""The walk through the documentation: the commands that it reads, the errors that it finds, and (slow) the
walk itself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from limelight import Result
from scripts.walk.expected import (
    COMMANDS,
    LEFT_OUT,
    NOT_RUN,
    PACKAGES,
    Expected,
    expected_of,
    not_expected,
    runnable,
)
from scripts.walk.pages import BREAK, Printed, examples, of_page, printed
from scripts.walk.runner import clean_environment, walk
from scripts.walk_readme import run

ROOT = Path(__file__).parents[2]
FOUND = printed(ROOT)
PAGE = """
```sh
limelight "a red apple"   # draws
VAR=1 limelight \\
  ui
```
```python
one = 1
```
```
not a command
```
```python
two = one + 1
```
"""


def test_a_page_is_commands_and_one_program() -> None:
    assert [(each.language, each.text) for each in of_page("p.md", PAGE)] == [
        ("sh", 'limelight "a red apple"'),
        ("sh", "VAR=1 limelight    ui"),
        ("python", f"one = 1\n{BREAK}two = one + 1\n"),
    ]


def test_every_command_has_an_expectation_and_every_expectation_is_used() -> None:
    assert not_expected(FOUND) == []
    used = [expected_of(each.text) for each in FOUND if each.language == "sh"]
    assert [entry.command for entry in COMMANDS if entry not in used] == []
    assert set(NOT_RUN) <= {each.page for each in FOUND}


def test_a_page_says_which_package_it_needs() -> None:
    for page, package in PACKAGES.items():
        assert f"pip install {package}" in (ROOT / page).read_text(encoding="utf-8")


def test_only_blocks_that_need_another_model_are_left_out() -> None:
    assert runnable(f"a = 1{BREAK}load('sdxl-base'){BREAK}b = 2") == f"a = 1{BREAK}b = 2"
    programs = [each.text for each in FOUND if each.language == "python"]
    assert all(any(mark in program for program in programs) for mark in LEFT_OUT)


def test_what_is_not_run_is_shown_by_a_test() -> None:
    reasons = [*NOT_RUN.values(), *LEFT_OUT.values(), *(entry.skipped for entry in COMMANDS if entry.skipped)]
    for reason in reasons:
        assert (ROOT / reason.partition("; ")[2]).exists(), reason


def test_readme_is_walked_whole_and_first() -> None:
    ours = [each for each in FOUND if each.page == "README.md"]
    assert FOUND[: len(ours)] == ours
    assert ours[0].text.startswith("make image")
    skipped = [each.text for each in ours if (entry := expected_of(each.text)) and entry.skipped]
    assert skipped == []
    assert {each.page for each in examples(ROOT)} >= {"docs/examples/picture.py", "docs/examples/words.ipynb"}


def test_the_program_of_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = (each.text for each in FOUND if each.page == "README.md" and each.language == "python")
    names: dict[str, object] = {}
    exec(compile(program, "README.md", "exec"), names)
    result = names["result"]
    assert isinstance(result, Result) and result.maps is not None
    width, height = result.image.size
    assert next(iter(result.maps.at(width // 2, height // 2))) == "apple"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a command `limelight` that prints its arguments and makes a file."""
    folder = tmp_path / "limelight"
    bin = folder / ".venv/bin"
    bin.mkdir(parents=True)
    (bin / "activate").write_text(f"export PATH={bin}:$PATH\n")
    (bin / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (bin / "python").chmod(0o755)
    (bin / "limelight").write_text('#!/bin/sh\necho "$@"; [ "$1" = ui ] && echo Traceback; exit 0\n')
    (bin / "limelight").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("printed", "fault"),
    [
        (Printed("p.md", "sh", "limelight vocabulary apple"), "^$"),
        (Printed("p.md", "sh", "limelight vocabulary"), "does not print 'apple': vocabulary"),
        (Printed("p.md", "sh", "limelight convert model.safetensors x"), "exit code 0, not 2"),
        (
            Printed("p.md", "sh", "limelight batch p.csv && echo gallery: file://"),
            "made no new out/index.html",
        ),
        (Printed("p.md", "sh", "rm -rf everything"), "nothing is expected of it"),
        (Printed("p.md", "sh", "limelight ui"), "never said where the page is"),
        (Printed("p.md", "python", "assert not 'so'"), "exit code 1: .*AssertionError"),
        (Printed("docs/steering.md", "python", "None"), "No such file or directory: .*mask.png"),
    ],
)
def test_a_failed_expectation_is_noticed(clone: Path, printed: Printed, fault: str) -> None:
    walked = walk(printed, clone, clean_environment(clone / "home"))
    assert re.search(fault, walked.fault), walked.fault
    assert not walked.is_skipped


def test_the_first_entry_is_taken() -> None:
    table = [Expected(command="limelight a"), Expected(command="limelight")]
    assert [expected_of(text, table) for text in ("limelight ab", "limelight b", "make")] == [*table, None]


@pytest.mark.slow
def test_a_newcomer_gets_what_readme_says(tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path, "pip"]
    )
    if asked.returncode:
        pytest.skip("packages cannot be installed here")
    assert run(tmp_path / "walk", ["README.md", *(each.page for each in examples(ROOT))]) == 0
