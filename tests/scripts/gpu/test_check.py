"""The frame of the check: deadlines, processes that die, the results file, parts that did not begin."""

import json
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.gpu import check, worker
from scripts.gpu.parts import suite
from scripts.gpu.table import PARTS, Part
from scripts.gpu.tools.card import Card, error, take_turns
from scripts.gpu.tools.findings import Finding, Lines, findings, table

WORKER = """#!{python}
import json, os, sys, time
_, _, names, folder, end, tiny = sys.argv[1:] if len(sys.argv) == 7 else [None, *sys.argv[1:]]
def tell(**line):
    with open(os.path.join(folder, "results.jsonl"), "a") as file:
        file.write(json.dumps(line) + "\\n")
for name in names.split(","):
    tell(part=name, event="begun", until=time.time() + (0 if name == "b" else 60))
    tell(part=name, case="first", verdict="measured", numbers={{"s": 1.5}}, words="")
    if name == "a":
        os._exit(9)
    if name == "b":
        time.sleep(60)
    tell(part=name, event="ended")
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker of which part a ends the process and part b never ends."""
    path = tmp_path / "worker"
    path.write_text(WORKER.format(python=sys.executable))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(path))
    monkeypatch.setattr(check, "GRACE", 0.3)


@pytest.mark.usefixtures("stand_in")
def test_a_part_that_dies_or_hangs_is_a_result_and_the_next_goes_on(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "out"
    assert check.main(["--dry-run", "--only", "p,a,b,c", "--seconds", "60", "--out", str(out)]) == 0
    lines = Lines(out).read()
    assert [each.case for each in findings(lines, "p")] == ["first"]
    assert [each.words for each in findings(lines, "a")] == ["", "its process ended with code 9"]
    assert [each.words for each in findings(lines, "b")] == ["", "killed: it did not end at its deadline"]
    assert [each.case for each in findings(lines, "c")] == ["first"]
    facts = next(line for line in lines if line.get("event") == "facts")
    assert facts["torch"] == torch.__version__
    assert facts["command"].endswith(f"--only p,a,b,c --seconds 60 --out {out}")
    report = (out / "results.md").read_text()
    assert "- a: the rest: failed. its process ended with code 9" in report
    assert "| first | measured | 1.5 |" in report
    assert report in capsys.readouterr().out


def test_parts_that_did_not_begin_are_reported(tmp_path: Path) -> None:
    lines = Lines(tmp_path)
    check.supervise(["p", "c"], lines, time.time(), tiny=True)
    assert [findings(lines.read(), name)[0].words for name in "pc"] == ["not begun: the time was over"] * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dry-run", "--only", "p,zz"], "--only has 'zz'; must be of p, a, b"),
        (["--part", "all"], "invalid choice"),
        pytest.param(
            ["--seconds", "5"],
            "torch sees no CUDA device; without one there is only --dry-run",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_impossible_options_are_refused(arguments: list[str], words: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        check.main(arguments)
    assert words in capsys.readouterr().err


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Parts by name, whose functions a test gives."""
    functions: dict[str, Any] = {}
    for name in ("one", "two", "three"):
        monkeypatch.setitem(PARTS, name, Part(name, 30, name))
    monkeypatch.setattr(Part, "measure", lambda part: functions[part.title])
    yield functions


def test_an_error_is_a_result_unless_the_gpu_failed(tmp_path: Path, parts: dict[str, Any]) -> None:
    def breaks(*_: object, **__: object) -> Iterator[Finding]:
        yield Finding("first", "right")
        raise ValueError("no such thing")

    def kills(*_: object, **__: object) -> Iterator[Finding]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
        yield

    parts |= {"one": breaks, "two": kills, "three": breaks}
    lines = Lines(tmp_path)
    assert worker.run(["one", "two", "three"], lines, time.time() + 99, tiny=True) == worker.GPU_FAILED
    assert [each.verdict for each in findings(lines.read(), "one")] == ["right", "failed"]
    assert "ValueError: no such thing (test_check.py:" in findings(lines.read(), "one")[1].words
    assert findings(lines.read(), "three") == []  # it is for a new process
    assert worker.run(["one"], lines, time.time() - 1, tiny=True) == 0


def test_a_part_ends_at_its_deadline(tmp_path: Path, parts: dict[str, Any]) -> None:
    def endless(*_: object, until: float, **__: object) -> Iterator[Finding]:
        while True:
            time.sleep(max(0.0, until - time.time()))
            yield Finding("again", "right")

    parts["one"] = endless
    lines = Lines(tmp_path)
    assert worker.run(["one"], lines, time.time() + 0.1, tiny=True) == 0
    assert [each.words for each in findings(lines.read(), "one")] == ["", "no time was left after 1 findings"]


def test_a_torn_line_is_left_out_and_columns_are_those_of_all(tmp_path: Path) -> None:
    lines = Lines(tmp_path)
    assert lines.read() == []
    lines.write("p", Finding("x", "measured", {"ms": 1234.5, "rows": 2}))
    lines.write("p", Finding("y", "wrong", {"ratio": 0.5}, "a|b"))
    with lines.path.open("a") as file:
        file.write('{"part": "p", "ca')
    columns, rows = table(findings(lines.read(), "p"))
    assert columns == ["case", "verdict", "ms", "rows", "ratio", "remark"]
    assert rows == [["x", "measured", "1234", "2", "", ""], ["y", "wrong", "", "", "0.5", "a/b"]]


class Event:
    """An event of a device on which every call takes two milliseconds."""

    now = 0.0

    def __init__(self, enable_timing: bool) -> None:
        self.at = 0.0

    def record(self) -> None:
        self.at = Event.now

    def elapsed_time(self, other: "Event") -> float:
        return other.at - self.at


def test_a_card_is_timed_between_events_and_its_memory_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    card, calls, fractions = Card(torch.device("cuda", 0)), list[int](), list[float]()

    def work() -> None:
        calls.append(1)
        Event.now += 2.0

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 350)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda device: type("P", (), {"total_memory": 1000})
    )
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda part, device: fractions.append(part)
    )
    taken = take_turns(card, {"a": work, "b": work}, rounds=3, calls=4)
    assert taken["a"].rounds == pytest.approx([0.002] * 3)
    assert (taken["a"].median, taken["a"].spread) == pytest.approx((0.002, 0.0))
    assert taken["b"].over(taken["a"]) == pytest.approx(1.0)
    assert len(calls) == 2 * (2 + 3 * 4)
    assert card.peak(work) == 250
    with card.only(400):
        pass
    assert fractions == [0.5, 1.0]
    assert card.wall(work) >= 0
    assert card.dtypes == (torch.float16, torch.bfloat16)


def test_an_output_that_is_not_finite_is_infinitely_wrong() -> None:
    exact = torch.ones(3)
    assert error(torch.tensor([1.0, float("nan"), 1.0]), exact) == float("inf")
    assert error(exact * 1.01, exact) == pytest.approx(0.01, rel=1e-4)


PASSED = "tests/a.py::test_x PASSED [ 5%]\n[gw0] [ 9%] PASSED tests/a.py::test_y[a-b] \n"
SKIPPED = "tests/a.py::test_z SKIPPED (no) [ 9%]\n"
FAILED = "[gw1] [ 9%] FAILED tests/a.py::test_w\nFAILED tests/a.py::test_w - assert 1 == 2\n"


@pytest.mark.parametrize(
    ("output", "verdict", "passed", "words"),
    [
        (PASSED + SKIPPED, "right", 2, ""),
        (PASSED + FAILED, "wrong", 2, "FAILED tests/a.py::test_w - assert 1 == 2"),
        (PASSED + "\nERROR not finished in 3 seconds\n", "wrong", 2, "ERROR not finished in 3 seconds"),
        (
            PASSED + FAILED.splitlines()[0] + "\nERROR not finished in 3 seconds\n",
            "wrong",
            2,
            "ERROR not finished in 3 seconds; FAILED tests/a.py::test_w",
        ),
        ("no tests ran in 0.1 s", "wrong", 0, "no tests ran in 0.1 s"),
        ("", "wrong", 0, "no output"),
    ],
)
def test_the_output_of_pytest_is_counted(output: str, verdict: str, passed: int, words: str) -> None:
    found = suite.finding_of(output, 1, runs=True)
    assert (found.verdict, found.numbers["passed"], found.words) == (verdict, passed, words)


def test_the_tests_that_need_a_gpu_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    files = suite.marked_files()
    assert "tests/unet/test_gpu.py" in files
    assert suite.command(files, runs=True)[-2:] == ["-n", str(suite.PROCESSES)]
    monkeypatch.setattr(suite, "marked_files", lambda: ["tests/attention/test_hidden_queries.py"])
    (found,) = suite.measure(Card(torch.device("cpu")), tiny=True, until=time.time() + 200)
    assert (found.verdict, found.numbers["files"]) == ("measured", 1)
    late = suite.output_of([sys.executable, "-c", "print(1, flush=True); import time; time.sleep(60)"], 0.0)
    assert late.endswith("ERROR not finished in 0 seconds\n")
    assert json.dumps(suite.finding_of(late, 1, runs=False).verdict) == '"failed"'
