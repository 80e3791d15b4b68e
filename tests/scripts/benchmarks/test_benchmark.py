"""The options and reports of `python -m scripts.benchmark`."""

import argparse
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts import benchmark
from scripts.benchmarks import unet
from scripts.benchmarks.tools import runtimes
from scripts.benchmarks.tools.process import last_line, run
from scripts.benchmarks.tools.report import Section


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=512)


def measure(options: argparse.Namespace) -> Iterator[Section]:
    rows = [[str(options.size), str(options.rounds)]]
    yield Section("Sizes", columns=("size", "rounds"), rows=rows, bars={"all": {"diffusers": 1, "ours": 0.5}})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every benchmark is one that has nothing to do."""
    module = types.ModuleType("small", "Measures nothing.\n\nIn no time.\n")
    values: dict[str, Any] = {"TITLE": "Small", "DEVICES": ("cpu",), "QUICK": {"size": 64, "rounds": 1}}
    vars(module).update(values, add_options=add_options, measure=measure)
    monkeypatch.setattr(benchmark, "module_of", lambda name: module)


def test_report_and_plot_are_written(small: None, tmp_path: Path) -> None:
    output = tmp_path / "new" / "unet.md"
    assert benchmark.main(["unet", "--size", "256", "--note", "It rained.", "-o", str(output)]) == 0
    text = output.read_text()
    assert text.startswith("# Small\n") and "It rained." in text and "In no time." in text
    assert f"    python -m scripts.benchmark unet --size 256 --note 'It rained.' -o {output}\n" in text
    assert "![the ratios, as bars](unet.svg)" in text and "| 256 | 3 |" in text
    assert output.with_suffix(".svg").is_file()


def test_without_a_name_all_are_in_one_report(small: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--quick"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("# Benchmarks\n") and text.count("\n## Small\n") == len(benchmark.TOGETHER)
    assert text.count("| 64 | 1 |") == len(benchmark.TOGETHER)


def test_explicit_options_win_over_quick(small: None) -> None:
    options = benchmark.options_of("unet", ["--quick", "--size", "128"])
    assert (options.size, options.rounds) == (128, 1)
    assert benchmark.options_of("unet", []).rounds == 3


@pytest.mark.parametrize("name", benchmark.WHAT)
def test_every_benchmark_keeps_the_contract(name: str) -> None:
    module, options = benchmark.module_of(name), benchmark.options_of(name, ["--quick"])
    assert set(module.QUICK) <= set(vars(options))
    assert module.TITLE and (module.__doc__ or "").count(f"python -m scripts.benchmark {name}") == 1
    assert callable(module.measure)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SystemExit, match="'unets' is not a benchmark; must be one of unet, attention"):
        benchmark.main(["unets"])
    options = benchmark.options_of("unet", ["--models", "sd3"])
    with pytest.raises(SystemExit, match="'sd3' is not known; must be of default, sd1, sdxl"):
        next(iter(unet.measure(options)))


def test_an_unknown_device_is_refused_with_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.options_of("unet", ["--device", "cuda"])
    assert "--device is cuda; unet is measured on cpu" in capsys.readouterr().err


def test_runtimes_that_are_missing_are_named() -> None:
    assert runtimes.missing("torch") is None
    assert runtimes.missing("torch", "no_such_runtime") == "not installed: no_such_runtime"


def test_prediction_of_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unet.SIZES, "default", "32")
    monkeypatch.setitem(unet.TIMES, "default", 1)
    options = benchmark.options_of("unet", ["--models", "default", "--rounds", "1", "--ways", "low-memory"])
    (section,) = unet.measure(options)
    assert [row[1] for row in section.rows] == ["diffusers", "optimized", "optimized, no filters kept"]
    assert all(float(row[-1]) <= 2e-5 for row in section.rows)
    assert list(section.bars) == ["32 px"] and section.bars["32 px"]["diffusers"] == 1


def test_processes_of_their_own() -> None:
    assert last_line(["-c", "print('so much for that'); print('[1, 2]')"]) == [1, 2]
    assert run(["-c", "import os; print(os.environ['X'])"], environment={"X": "y"}).output == "y\n"
    with pytest.raises(RuntimeError, match=r"ended with 1: .*is wrong"):
        run(["-c", "import sys; sys.exit('something is wrong')"])
