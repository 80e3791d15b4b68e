"""`limelight check`: a line for each word, or JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from limelight.app.commands.check import best_of, on_one_line, recorded_prompt, show
from limelight.app.commands.generate import drawn as drawn_by_command
from limelight.app.load import LoadOptions
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import NonFinitePrediction, UsageError
from limelight.pipeline.results.result import Result


def found(mean: float, geometric_mean: float, **scores: float) -> dict[str, Any]:
    """A check as a record has it."""
    words = [
        {"word": word, "span": [at, at + 1], "score": score}
        for at, (word, score) in enumerate(scores.items())
    ]
    return {"words": words, "mean": mean, "geometric_mean": geometric_mean}


def drawn(seed: int, *, geometric_mean: float, **scores: float) -> Result:
    info = {"check": found(0.5, geometric_mean, **scores)}
    return Result(image=Image.new("RGB", (8, 8)), request=GenerationRequest(prompt="x", seed=seed), info=info)


def test_the_pictures_whose_words_fit_best_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    results = [drawn(seed, geometric_mean=fit, cat=fit) for seed, fit in enumerate((0.2, 0.95, 0.1, 0.6))]
    assert [each.request.seed for each in best_of(results, 2)] == [1, 3]
    assert capsys.readouterr().out.splitlines() == [
        "seed 0: 0.20  cat \N{BALLOT X} 0.20",
        "seed 1: 0.95  cat \N{CHECK MARK} 0.95",
        "seed 2: 0.10  cat \N{BALLOT X} 0.10",
        "seed 3: 0.60  cat ? 0.60",
    ]


def test_the_describer_helps_to_choose(capsys: pytest.CaptureFixture[str]) -> None:
    results = [drawn(0, geometric_mean=0.99, cat=0.99), drawn(1, geometric_mean=0.8, cat=0.8)]
    for result, fit in zip(results, (0.01, 0.9), strict=True):
        result.info["check"]["describer"] = found(fit, fit, two=fit)
    assert [each.request.seed for each in best_of(results, 1)] == [1]
    assert capsys.readouterr().out.splitlines()[1].startswith("seed 1: 0.85  cat ? 0.80; the describer: two")


def test_an_empty_prompt_and_a_missing_file_are_named(tmp_path: Path) -> None:
    from limelight.app.cli import app

    with pytest.raises(UsageError, match="the prompt is empty"):
        app(["check", str(tmp_path / "a.png"), "--prompt", " "], standalone_mode=False)
    with pytest.raises(UsageError, match=r"a\.png does not exist$"):
        recorded_prompt(tmp_path / "a.png")


def test_a_picture_whose_check_fails_is_saved_and_ranked_last(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise NonFinitePrediction("NaN in the check")

    monkeypatch.setattr("limelight.pipeline.reading.check.checked", broken)
    monkeypatch.setattr(LoadOptions, "load", lambda self: pipe)
    request = GenerationRequest(prompt="a red apple", seed=7, num_steps=2)
    (result,) = drawn_by_command([request], LoadOptions(), check=True)
    assert "check" not in result.info
    assert "seed 7 could not be checked: NaN in the check" in capsys.readouterr().err
    assert list(best_of([result, drawn(1, geometric_mean=0.1, cat=0.1)], 2))[-1] is result


def test_the_describer_has_a_column_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    both = found(0.6, 0.4, cat=0.99, red=0.7) | {"describer": found(0.9, 0.8, cat=0.2)}
    show("a cat", both)
    printed = capsys.readouterr().out
    rows = [" ".join(line.replace("│", " ").split()) for line in printed.splitlines() if "│" in line]
    assert rows == ["cat ✓ yes 0.99 ✗ no 0.20", "red ? unsure 0.70"]
    assert "the model: mean 0.60, geometric mean 0.40\nthe describer: mean 0.90" in printed
    assert on_one_line(both).endswith("red ? 0.70; the describer: cat ✗ 0.20")


def test_more_cannot_be_kept_than_are_drawn() -> None:
    from limelight.app.cli import app

    with pytest.raises(UsageError, match="keep-best is 3, of 2 drawn; draw at least that many with --count"):
        app(["generate", "a cat", "--count", "2", "--keep-best", "3"], standalone_mode=False)


def test_each_word_gets_a_sign(capsys: pytest.CaptureFixture[str]) -> None:
    show("a <b>cat", found(0.6, 0.41, cat=0.99, red=0.7, **{"[dog]": 0.1}))
    lines = capsys.readouterr().out.splitlines()
    rows = [" ".join(line.replace("│", " ").split()) for line in lines if "│" in line]
    assert rows == ["cat \N{CHECK MARK} yes 0.99", "red ? unsure 0.70", "[dog] \N{BALLOT X} no 0.10"]
    assert lines[-1] == "the model: mean 0.60, geometric mean 0.41"


def test_a_prompt_without_words_to_check_gets_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    show("of the", found(1.0, 1.0))
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
