"""`limelight edit`: the words of a picture change, and its record names the picture that was edited."""

from pathlib import Path

import pytest
from PIL import Image

from limelight.app import cli
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.results.png import enlarge_to_view, read_record
from tests.default_model import SIDE

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


@pytest.mark.parametrize("size", ["64", "512"])
def test_an_image_is_edited_with_words_for_what_it_shows(
    size: str, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, edited = base.with_name("photo.jpg"), base.with_name("dog.png")
    with Image.open(base) as image:
        image.resize((int(size), int(size))).save(photo)
    options = ("--edit-of", BASE, "--steps", "3", "--size", "64x64", "--guidance", "2", "--keep", "0.7,0.3")
    assert run(monkeypatch, "edit", str(photo), EDITED, *options, "-o", str(edited)) == 0
    said = capsys.readouterr().out
    record = read_record(edited)
    assert "  cat -> dog\n" in said
    assert f"  from its noise, the image comes back at {record['base_psnr']:.1f} dB\n" in said
    asked = record["request"]
    assert (asked["prompt"], asked["edit_of"], asked["keep"]) == (EDITED, BASE, [0.7, 0.3])
    assert (asked["num_steps"], asked["guidance_scale"], asked["width"], asked["scheduler"]) == (
        *(3, 2.0, 64),
        "ddim",
    )
    assert asked["image"]["width"] == int(size)


def test_a_picture_of_ours_can_be_edited_as_an_image_at_the_size_at_which_it_was_drawn(
    pipe: TextToImagePipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, edited = tmp_path / "base.png", tmp_path / "dog.png"
    enlarge_to_view(pipe(BASE, seed=5, num_steps=2)).save(path)
    options = ("--edit-of", BASE, "--steps", "2", "-o", str(edited))
    assert run(monkeypatch, "edit", str(path), EDITED, *options) == 0
    assert read_record(edited)["request"]["width"] == SIDE
    assert run(monkeypatch, "edit", str(edited), "a car") == 2
    assert "was made from an image, which it does not hold; to edit it as an image" in capsys.readouterr().err
    assert run(monkeypatch, "edit", str(path), EDITED, "--steps", "2") == 2
    assert "--steps given without --edit-of" in capsys.readouterr().err


def test_a_picture_without_a_prompt_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    assert run(monkeypatch, "edit", str(path), EDITED) == 2
    said = capsys.readouterr().err
    assert "a.png holds no record" in said
    assert f'to edit it as an image, say what it shows: limelight edit {path} "PROMPT" --edit-of' in said
    assert run(monkeypatch, "edit", str(tmp_path / "none.png"), EDITED) == 2
    said = capsys.readouterr().err
    assert "none.png does not exist" in said and "--edit-of" not in said
