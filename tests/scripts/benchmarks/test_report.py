"""The contents of reports."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from scripts.benchmarks.tools.plot import draw
from scripts.benchmarks.tools.report import Report, Section, Setting, markdown
from scripts.benchmarks.tools.turns import Ratio, Taken, seconds, take_turns, timed

SETTING = Setting("cpu", 1, "python -m scripts.benchmark unet --quick", load=1.25, note="All was quiet.")
SECTION = Section(
    "The default model",
    "Said of it.",
    ("pixels", "way", "seconds"),
    [["128", "ours", "0.5"]],
    num_texts=2,
    bars={"128 px": {"diffusers": 1.0, "ours": 0.5}},
)
REPORT = Report("A prediction", "How it is measured.", [SECTION])


def test_one_report_has_everything_once() -> None:
    lines = markdown([REPORT], SETTING, "unet.svg").splitlines()
    assert lines[0] == "# A prediction"
    assert "1 thread(s), torch " in lines[2] and ", diffusers " in lines[2]
    assert lines[2].endswith("All was quiet.") and "before it began: 1.2, of " in lines[2]
    assert lines[4:] == [
        "    python -m scripts.benchmark unet --quick",
        "",
        "![the ratios, as bars](unet.svg)",
        "",
        "How it is measured.",
        "",
        "## The default model",
        "",
        "Said of it.",
        "",
        "| pixels | way | seconds |",
        "|---|---|--:|",
        "| 128 | ours | 0.5 |",
    ]


def test_several_reports_share_one_head() -> None:
    text = markdown([REPORT, replace(REPORT, title="A picture")], SETTING)
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == [
        "# Benchmarks",
        "## A prediction",
        "### The default model",
        "## A picture",
        "### The default model",
    ]
    assert text.count(SETTING.command) == 1 and "![" not in text


def test_plot_has_a_bar_for_every_ratio(tmp_path) -> None:
    assert draw([REPORT], tmp_path / "first.svg") and draw([REPORT], tmp_path / "second.svg")
    text = (tmp_path / "first.svg").read_text()
    assert text == (tmp_path / "second.svg").read_text()
    ElementTree.fromstring(text)
    for said in ("A prediction, The default model, 128 px", "diffusers", "ours", " 0.50", " 1.00"):
        assert said in text


def test_nothing_to_plot_is_no_file(tmp_path) -> None:
    assert not draw([replace(REPORT, sections=[replace(SECTION, bars={})])], tmp_path / "none.svg")
    assert not list(tmp_path.iterdir())


def test_ratio_is_of_the_same_round() -> None:
    ratio = Ratio.of([1.0, 4.0, 9.0], [2.0, 4.0, 6.0])
    assert (ratio.median, ratio.least, ratio.most) == (1.0, 0.5, 1.5)
    assert str(ratio) == "1.000 (0.500 to 1.500)"


def test_ways_take_turns() -> None:
    called: list[str] = []
    ways = {name: (lambda name=name: called.append(name)) for name in "ab"}
    taken = take_turns(ways, 2)
    assert called == ["a", "b", "a", "b"]
    assert {name: len(each) for name, each in taken.items()} == {"a": 2, "b": 2}


def test_timed_returns_the_result() -> None:
    found, taken = timed(lambda: sum(range(200_000)))
    assert found == 19_999_900_000
    assert isinstance(taken, Taken) and 0 < taken.processor and 0 < taken.clock


@pytest.mark.parametrize(
    ("times", "text"), [([0.01234], "0.0123"), ([1, 2.345, 9], "2.35"), ([123.4], "123.4")]
)
def test_seconds_in_three_digits(times: list[float], text: str) -> None:
    assert seconds(times) == text
