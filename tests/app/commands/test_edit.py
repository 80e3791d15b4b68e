"""`limelight edit`: the words of a picture change, and its record names the picture that was edited."""

from pathlib import Path

import pytest
from PIL import Image

from limelight.app import cli
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.results.png import read_record

BASE, EDITED = "a cat and a banana", "a dog and a banana"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["limelight", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture
def base(pipe: TextToImagePipeline, tmp_path: Path) -> Path:
    return pipe(BASE, seed=5, num_steps=2).save(tmp_path / "base.png")


def test_the_words_change_and_the_rest_of_the_request_stays(
    base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = base.with_name("dog.png")
    assert run(monkeypatch, "edit", str(base), EDITED, "--keep", "0.7,0.3", "-o", str(edited)) == 0
    assert "  cat -> dog\n" in capsys.readouterr().out
    asked = read_record(edited)["request"]
    stored = read_record(base)["request"]
    assert (asked["prompt"], asked["edit_of"], asked["keep"]) == (EDITED, BASE, [0.7, 0.3])
    assert (asked["blend_words"], asked["scale_words"]) == ([], [])
    same = [name for name in stored if name not in ("prompt", "edit_of", "keep")]
    assert {name: asked[name] for name in same} == {name: stored[name] for name in same}


def test_words_are_weighed_and_blended_and_an_edit_of_an_edit_is_of_the_first_picture(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dog, car = base.with_name("dog.png"), base.with_name("car.png")
    weighed = ("--scale-word", "dog=3", "--scale-word", "banana=0.5")
    blended = ("--blend-word", "dog", "--blend", "0.4,0.1")
    assert run(monkeypatch, "edit", str(base), EDITED, *weighed, *blended, "-o", str(dog)) == 0
    asked = read_record(dog)["request"]
    assert asked["scale_words"] == [{"word": "dog", "scale": 3.0}, {"word": "banana", "scale": 0.5}]
    assert (asked["blend_words"], asked["blend"]) == (["dog"], [0.4, 0.1])
    assert run(monkeypatch, "edit", str(dog), "a car and a banana", "-o", str(car)) == 0
    again = read_record(car)["request"]
    assert (again["prompt"], again["edit_of"]) == ("a car and a banana", BASE)
    assert (again["scale_words"], again["blend_words"]) == ([], [])


def test_a_picture_with_weights_of_words_is_refused(
    pipe: TextToImagePipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = pipe(BASE, seed=5, num_steps=1, scale_words={"cat": 2.0}).save(tmp_path / "base.png")
    assert run(monkeypatch, "edit", str(path), EDITED) == 2
    assert "was drawn with scale_words" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("keep", "words"),
    [("2,0", "cross of keep is 2; must be from 0 to 1"), ("a", "keep has 1 numbers; write cross,self")],
)
def test_a_window_that_cannot_be_is_refused(
    base: Path,
    keep: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "edit", str(base), EDITED, "--keep", keep) == 2
    assert words in capsys.readouterr().err


def test_a_picture_without_a_record_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert run(monkeypatch, "edit", str(tmp_path / "a.png"), EDITED) == 2
    assert "a.png" in capsys.readouterr().err
