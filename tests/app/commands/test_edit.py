"""`limelight edit`: a picture's words change, and its record says of what it is an edit."""

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
    same = [name for name in stored if name not in ("prompt", "edit_of", "keep")]
    assert {name: asked[name] for name in same} == {name: stored[name] for name in same}


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
