"""The release's commands run once each, go on where they were stopped, and are compared with what they must
reach."""

import argparse
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.second.release.bars import bars, summary
from scripts.second.release.running import Step, run
from scripts.second.release.steps import LINES, all_steps

STAND_IN = """
import sys, time
from pathlib import Path
name, ending, *others = sys.argv[1:]
log = Path(__file__).with_name("order.txt")
with log.open("a") as file: file.write(f"+{name} ")
end = time.monotonic() + 60
while not all(f"+{other}" in log.read_text() for other in others):
    assert time.monotonic() < end
    time.sleep(0.01)
with log.open("a") as file: file.write(f"-{name} ")
print(f"| {name} |")
print("said", file=sys.stderr)
sys.exit(int(ending))
"""
TABLE = """| task | right | 95 % |
|---|---|---|
| single object | 0.98 | 0.9 to 1 |
| two objects | 0.91 | |
| counting | 0.70 | |
| colours | 0.95 | |
| position | 0.96 | |
| attribute binding | 0.90 | |
| overall | 0.900 | |
| place | 0.93 | |
"""
MAPS = """29 words
| maps of | put together by | words | pointing | pointing at the other thing |
|---|---|---|---|---|
| noun words | mean of all | 12 | 0.500 (0.4 to 0.6) | 0.1 (0 to 1) |
| noun words | the model's default | 12 | 0.990 (0.980 to 1.000) | 0.040 (0.000 to 0.1) |
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def stand_in(name: str, ending: int = 0, *others: str, **fields) -> Step:
    """A command that ends when the others have begun."""
    return Step(name, ("stand_in", name, str(ending), *others), **fields)


def test_steps_run_once_and_a_failure_does_not_stop_the_others(folder, capsys) -> None:
    steps = [stand_in("a"), stand_in("b", 1), stand_in("c", after=("b",))]
    assert run(steps, folder, 2) == ["b"]
    assert (folder / "a.md").read_text() == "    python -m stand_in a 0\n\n| a |\n"
    assert (folder / "b.log").read_text() == "said\n"
    assert not (folder / "b.md").exists() and (folder / "c.md").exists()
    order = folder / "order.txt"
    assert order.read_text().index("-b") < order.read_text().index("+c")
    order.write_text("")
    assert run([stand_in("a"), stand_in("b"), stand_in("c")], folder, 2) == []
    assert order.read_text().split() == ["+b", "-b"]
    assert "2 of 3 steps are done" in capsys.readouterr().err
    assert run([stand_in("a", 1)], folder, 2) == ["a"]  # is another command


def test_as_many_run_at_once_as_may_and_a_timed_one_alone(folder) -> None:
    steps = [stand_in("a", 0, "b"), stand_in("b", 0, "a"), stand_in("c")]
    steps += [stand_in("timed", alone=True), stand_in("d")]
    assert run(steps, folder, 2) == []
    events, most, open_steps = (folder / "order.txt").read_text().split(), 0, set[str]()
    for event in events:
        open_steps ^= {event[1:]}
        most = max(most, len(open_steps))
        assert event != "+timed" or open_steps == {"timed"}
    assert most == 2
    at = events.index("+timed")
    assert events[at + 1] == "-timed"


def test_a_stopped_release_stops_its_commands(folder, monkeypatch) -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    begun: list[subprocess.Popen] = []

    def popen(*args, **kwargs) -> subprocess.Popen:
        begun.append(start(*args, **kwargs))
        return begun[-1]

    start = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    monkeypatch.setattr(time, "sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        run([stand_in("a", 0, "nobody")], folder, 2)
    monkeypatch.undo()
    assert begun[0].wait(60) != 0
    assert not (folder / "a.md").exists()


def test_scores_are_compared_with_what_they_must_be(tmp_path) -> None:
    (tmp_path / "tasks.md").write_text(TABLE)
    (tmp_path / "maps.md").write_text(MAPS)
    lines = summary(tmp_path, 0.87).splitlines()
    assert len(lines) == len(bars(0.87)) + 2
    assert "| six tasks, overall | 0.900 | at least 0.87 | yes |" in lines
    assert "| the weakest of the six | 0.700 | at least 0.75 | **no** |" in lines
    assert "| place | 0.930 | at least 0.9 | yes |" in lines
    assert "| style | | at least 0.9 | not measured |" in lines
    assert "| noun words, pointing | 0.990 | at least 0.98 | yes |" in lines
    assert "| noun words, pointing at the other thing | 0.040 | at most 0.03 | **no** |" in lines
    assert "| noun words, IoU at the best threshold | | at least 0.8 | not measured |" in lines
    assert "| a picture, seconds of one core | | at most 1.5 | not measured |" in lines


class Parsed(Exception):
    """A command has read its options."""


@pytest.fixture
def steps(tmp_path) -> list[Step]:
    (tmp_path / "describer.pt").touch()
    paths = {"model": Path("a model"), "first": Path("first"), "judge_run": tmp_path, "out": Path("out")}
    drawn = {"steps": 12, "guidance": 3.0, "scheduler": "dpm++2m"}
    return all_steps(argparse.Namespace(**paths, **drawn, small=True))


@pytest.mark.filterwarnings("ignore:.* found in sys.modules:RuntimeWarning")
def test_every_command_takes_its_options(steps, monkeypatch) -> None:
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self, *args, **kwargs):
        parse(self, *args, **kwargs)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    for step in steps:
        monkeypatch.setattr(sys, "argv", list(step.argv))
        with pytest.raises(Parsed):
            runpy.run_module(step.argv[0], run_name="__main__", alter_sys=False)


def test_the_steps_are_those_that_the_bars_read(steps) -> None:
    names = [step.name for step in steps]
    assert names == [line[0] for line in LINES] and len(set(names)) == len(names)
    assert {bar.step for bar in bars(0.93)} <= set(names)
    for step in steps:
        assert set(step.after) <= set(names[: names.index(step.name)])
        assert "a model" in step.argv or step.name in ("judge", "common-first", "describer")
        assert not any(set("{|") & set(word) or word in ("OUT", "RUN", "MODEL") for word in step.argv)
