"""`limelight check`: a line for each word, or JSON."""

import json
from pathlib import Path

import pytest
from PIL import Image

from limelight.app.commands.check import recorded_prompt, show
from limelight.app.load import LoadOptions
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import UsageError


def test_each_word_gets_a_sign(capsys: pytest.CaptureFixture[str]) -> None:
    show("a <b>cat", [("cat", 0.99), ("red", 0.7), ("[dog]", 0.1)], {"mean": 0.6, "geometric_mean": 0.41})
    lines = capsys.readouterr().out.splitlines()
    rows = [" ".join(line.replace("│", " ").split()) for line in lines if "│" in line]
    assert rows == ["cat \N{CHECK MARK} yes 0.99", "red ? unsure 0.70", "[dog] \N{BALLOT X} no 0.10"]
    assert lines[-1] == "mean 0.60, geometric mean 0.41"


def test_a_prompt_without_words_to_check_gets_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    show("of the", [], {})
    assert "no word of 'of the' can be checked: name a thing or a colour" in capsys.readouterr().out


def test_the_prompt_comes_from_the_record(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(UsageError, match="say by --prompt what it should show"):
        recorded_prompt(tmp_path / "plain.png")


def test_json_has_the_words_and_both_means(
    tmp_path: Path,
    pipe: TextToImagePipeline,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from limelight.app.cli import app

    path = pipe("a red apple", seed=7, num_steps=8).save(tmp_path / "a.png")
    monkeypatch.setattr(LoadOptions, "load", lambda self: pipe)
    app(["check", str(path), "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found["prompt"] == "a red apple"
    assert [each["word"] for each in found["words"]] == ["red", "apple"]
    scores = [each["score"] for each in found["words"]]
    assert found["mean"] == pytest.approx(sum(scores) / 2, abs=0.001)
