"""`limelight batch` for its user: refusals, messages, exit codes."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from limelight.app import cli
from limelight.app.load import LoadOptions
from limelight.app.progress import BatchProgress, facts_of
from limelight.pipeline.errors import NonFinitePicture
from limelight.pipeline.results.png import read_record

NO_MODEL = ("--model", "/there/is/none")  # what is refused with it is refused before a model is looked for


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Limelight = Callable[..., Ran]


@pytest.fixture
def limelight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Limelight:
    """limelight(*arguments) -> the options with which `limelight batch` draws, run in `tmp_path` in this
    process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["limelight", "batch", *arguments, "--device", "cpu"])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        ran = capsys.readouterr()
        return Ran(code, ran.out, ran.err)

    return run


def write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "rai"], "unknown engine 'rai' (did you mean 'ray'?); valid: local, ray"),
        (["--max-batch", "0"], "max-batch is 0; must be from 1 to 1024"),
        (["--max-batch", "many"], "max-batch is 'many'; must be a whole number"),
        (["--matrix", "seed"], "matrix is 'seed'; must be FIELD=VALUE,VALUE,... such as seed=1,2,3"),
        (["--matrix", "sead=1,2"], "unknown field 'sead' (did you mean 'seed'?)"),
        (["--matrix", "seed=1", "--matrix", "seed=2"], "matrix has seed twice"),
        (["--matrix", "num_steps=4,0"], "matrix: num_steps is 0; must be from 1 to 1000"),
        (["--names", "promt"], "unknown names 'promt' (did you mean 'prompt'?); valid: key, prompt"),
        (["--log", "/proc/none/l.log"], "cannot write the log /proc/none/l.log: "),
        (["--workers", "0"], "workers is 0; must be from 1 to 256"),
        (["--lora", "none.safetensors"], "none.safetensors does not exist"),
        (["-o", "m.csv"], "output is m.csv, a file; give a folder"),
        (["-o", "/proc/out"], "cannot write to /proc/out"),
        ([], "/there/is/none does not exist; give a folder"),
    ],
)
def test_bad_options_are_refused_with_a_message(
    tmp_path: Path, limelight: Limelight, options: list[str], message: str
) -> None:
    write(tmp_path / "m.csv", ["prompt", "a red apple"])
    ran = limelight("m.csv", "-o", "out", *NO_MODEL, *options)
    assert ran.code == 2
    assert message in ran.err
    assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.csv", "cannot read none.csv: No such file or directory"),
        ("m.xlsx", "unknown kind of manifest '.xlsx'; valid: .csv, .tsv, .jsonl, .txt, .parquet"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_refused(limelight: Limelight, name: str, message: str) -> None:
    ran = limelight(name, "-o", "out", *NO_MODEL)
    assert (ran.code, ran.err) == (2, f"limelight: {message}\n")


def test_all_faults_of_a_manifest_are_listed_with_lines_before_a_model_is_loaded(
    tmp_path: Path, limelight: Limelight
) -> None:
    rows = ["a cat,1,64", ",2,64", "a dog,x,64", "a cow,3,64,x", "a pig,4,60", "a hen,-2,64"]
    write(tmp_path / "m.csv", ["prompt,seed,width", *rows])
    ran = limelight("m.csv", "-o", "out", *NO_MODEL)
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "limelight: m.csv has 5 faults; nothing was drawn",
        "line 3: there is no prompt",
        "line 4: seed is 'x'; must be a whole number",
        "line 5: has 4 cells; the header has 3; put a cell that holds the separator in double quotes",
        "line 6: width is 60; must be a multiple of 8 (64 is the nearest)",
        "line 7: seed is -2; must be from 0 to 18446744073709551615",
    ]
    assert not (tmp_path / "out").exists()


def test_a_fault_of_every_row_is_reported_once(tmp_path: Path, limelight: Limelight) -> None:
    write(tmp_path / "m.csv", ["prompt", *["a cat"] * 200])
    ran = limelight("m.csv", "-o", "out", *NO_MODEL, "--matrix", "strength=0.5")
    assert ran.err.splitlines() == [
        "limelight: m.csv has 200 faults; nothing was drawn",
        "200 lines from 2 to 201: strength is given and image is not; give an image, or leave strength out",
    ]
    write(tmp_path / "m.csv", ["prompt,width", "a cat,60", "a cat,64", "a cat,60", "a cat,60"])
    ran = limelight("m.csv", "-o", "out", *NO_MODEL)
    assert (
        ran.err.splitlines()[1]
        == "lines 2, 4 and 5: width is 60; must be a multiple of 8 (64 is the nearest)"
    )


def test_files_are_named_after_prompts_and_the_log_lists_each(tmp_path: Path, limelight: Limelight) -> None:
    write(tmp_path / "m.csv", ["prompt,num_steps", "a red apple,1", '"a (blue:1.2) star!",1'])
    ran = limelight("m.csv", "-o", "out", "--names", "prompt", "--log", "logs/out.log")
    assert ran.code == 0
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == ["0001-a-red-apple.png", "0002-a-blue-1-2-star.png"]
    log = (tmp_path / "logs" / "out.log").read_text()
    for name in names:
        assert f"INFO {name} drawn, line " in log
    assert "INFO 2 of 2 pictures in out; 2 drawn in " in log
    limelight("m.csv", "-o", "out", "--log", "logs/out.log", "--names", "prompt")
    assert (tmp_path / "logs" / "out.log").read_text().startswith(log)
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


def test_a_preview_counts_the_rows_and_the_same_command_then_draws_them(
    tmp_path: Path, limelight: Limelight
) -> None:
    arguments = ["m.txt", "-o", "out", "--matrix", "num_steps=1"]
    write(tmp_path / "m.txt", ["a {red|blue} apple"])
    ran = limelight(*arguments, "--dry-run")
    assert (ran.code, ran.out) == (0, "2 pictures, 0 done, 2 to draw into out\n")
    assert not list(tmp_path.rglob("*.png"))

    ran = limelight(*arguments)
    assert ran.code == 0
    assert ran.out.startswith("2 of 2 pictures in out; 2 drawn in ")

    write(tmp_path / "m.txt", ["a {red|blue} apple", "a cat"])
    assert limelight(*arguments, "--dry-run").out == "3 pictures, 2 done, 1 to draw into out\n"
    ran = limelight(*arguments)
    assert ran.out.startswith("3 of 3 pictures in out; 1 drawn in ")
    ran = limelight(*arguments)
    assert ran.out.startswith("3 of 3 pictures in out; 0 drawn in ")
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


def test_failed_rows_are_reported_and_the_exit_code_is_3(
    tmp_path: Path, limelight: Limelight, monkeypatch: pytest.MonkeyPatch
) -> None:
    from limelight.pipeline.sampling import engine

    decode = engine.decode_with_notes
    calls: list[int] = []

    def decode_but_the_first(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise NonFinitePicture("the VAE returned NaN")
        return decode(*arguments)

    monkeypatch.setattr(engine, "decode_with_notes", decode_but_the_first)
    write(tmp_path / "m.csv", ["prompt,num_steps", "a cat,1", "a dog,1"])
    ran = limelight("m.csv", "-o", "out", "--max-batch", "1")
    assert ran.code == 3
    assert "limelight: line 2: the VAE returned NaN\n" in ran.err
    assert ran.out.startswith("1 of 2 pictures in out; 1 drawn in ")
    ran = limelight("m.csv", "-o", "out")
    assert ran.code == 0
    assert ran.out.startswith("2 of 2 pictures in out; 1 drawn in ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_says_how_to_go_on_and_the_exit_code_is_4(
    tmp_path: Path, limelight: Limelight, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(LoadOptions, "load", stop)
    write(tmp_path / "m.csv", ["prompt", "a cat"])
    ran = limelight("m.csv", "-o", "out")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == "limelight: stopped; nothing was drawn; run the same again to go on\n"


def test_maps_and_replay(tmp_path: Path, limelight: Limelight, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "m.jsonl", ['{"id": "one", "prompt": "a red star", "seed": 5, "num_steps": 2}'])
    assert limelight("m.jsonl", "-o", "out", "--maps").code == 0
    (path,) = (tmp_path / "out").glob("one-*.png")
    assert (tmp_path / "out" / "maps" / f"{path.stem}-maps.png").is_file()
    assert read_record(path)["row"]["id"] == "one"
    monkeypatch.setattr("sys.argv", ["limelight", "replay", str(path), "-o", "again.png"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    with Image.open(path) as first, Image.open(tmp_path / "again.png") as again:
        assert first.tobytes() == again.tobytes()


def test_without_a_terminal_progress_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with BatchProgress(200, period=30) as progress:
        progress.begin(50)
        for second in range(1, 61):
            now[0] = 1000.0 + second
            progress.show(150 - second // 2, 1 if second > 40 else 0)
    assert capsys.readouterr().err.splitlines() == [
        "limelight: 65 of 200 pictures, 2.0 s each, 0:04:30 left",
        "limelight: 80 of 200 pictures, 2.0 s each, 0:04:00 left, 1 failed",
    ]


def test_a_bar_shows_no_time_left_before_it_is_known() -> None:
    from rich.progress import Progress

    from limelight.app.progress import TimeLeft

    now = [0.0]
    bars = Progress(TimeLeft(), get_time=lambda: now[0], disable=True)
    task = bars.add_task("drawing", total=100)
    assert bars.tasks[0].time_remaining is None
    assert TimeLeft().render(bars.tasks[0]).plain == ""
    for second in range(1, 11):
        now[0] = float(second)
        bars.update(task, completed=second)
    assert TimeLeft().render(bars.tasks[0]).plain == "01:30"


def test_a_rate_is_shown_when_known_and_counts_this_run_alone() -> None:
    assert facts_of(0, 10, 5) == []
    assert facts_of(8, 10, 192) == []
    assert facts_of(16, 10, 184) == ["1.6/s", "0:01:55 left"]
    assert facts_of(15, 10, 999_985) == []
    assert facts_of(20, 10, 5) == ["2.0/s", "0:00:02 left"]
    assert facts_of(1, 10, 5) == ["10.0 s each", "0:00:50 left"]
