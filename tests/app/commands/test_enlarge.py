"""`--enlarge` and `--enlarger`: a larger file, drawn again alike, and a manifest's column."""

from pathlib import Path
from typing import get_type_hints

import pytest
from PIL import Image

from limelight.app.load import LoadOptions
from tests.app.commands.test_edit import run
from tests.default_model import SIDE
from tests.pipeline.enlarging.test_load import saved


@pytest.fixture
def net(tmp_path: Path) -> str:
    return str(saved(tmp_path / "plain"))


def test_a_picture_is_enlarged_and_replayed(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, again = (str(tmp_path / name) for name in ("a.png", "b.png"))
    asked = ("a cat", "--seed", "3", "--steps", "2", "--enlarge", "4", "--enlarger", net)
    assert run(monkeypatch, "generate", *asked, "-o", file) == 0
    assert f"enlarged from {SIDE}x{SIDE} to {4 * SIDE}x{4 * SIDE} pixels by plain" in capsys.readouterr().out
    assert Image.open(file).size == (4 * SIDE, 4 * SIDE)
    assert run(monkeypatch, "replay", file, "--enlarger", net, "-o", again) == 0
    assert f"the same pixels as {file}" in capsys.readouterr().out


def test_a_manifest_has_the_column(net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out"
    rows.write_text("prompt,seed,num_steps,enlarge\na cat,1,2,2\na cat,1,2,\n")
    assert run(monkeypatch, "batch", str(rows), "-o", str(out), "--enlarger", net, "--workers", "1") == 0
    assert sorted(Image.open(path).size for path in out.glob("*.png")) == [(SIDE, SIDE), (2 * SIDE, 2 * SIDE)]


def test_another_enlarger_draws_only_the_enlarged_rows_again(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out"
    rows.write_text("prompt,seed,num_steps,enlarge\na cat,1,1,2\na cat,1,1,\na dog,1,1,\n")
    run_of = ("batch", str(rows), "-o", str(out), "--workers", "1")
    assert run(monkeypatch, *run_of, "--enlarger", net) == 0
    capsys.readouterr()
    assert run(monkeypatch, *run_of, "--enlarger", str(saved(tmp_path / "other")), "--dry-run") == 0
    assert "2 done, 1 to draw" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("a cat", "--enlarge", "2", "--enlarger", str(tmp_path / "none.safetensors"))
    assert run(monkeypatch, "generate", *asked, "-o", str(tmp_path / "a.png")) == 2
    assert "none.safetensors does not exist" in capsys.readouterr().err


def test_the_help_says_what_enlarges_without_a_file() -> None:
    (option,) = get_type_hints(LoadOptions, include_extras=True)["enlarger"].__metadata__
    assert option.help.endswith("if omitted, the model's own, or a filter that keeps edges sharp.")
