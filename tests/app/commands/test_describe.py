"""`limelight describe` and `limelight ask`."""

import json
from pathlib import Path

import pytest
from PIL import Image

from limelight.app import cli
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.describer.default import UNKNOWN


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["limelight", *words])
    try:
        cli.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@pytest.fixture(scope="module")
def apple(pipe: TextToImagePipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pipe("a red apple on a white background", seed=3).save(tmp_path_factory.mktemp("d") / "apple.png")


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    path = tmp_path / "noise.png"
    Image.effect_noise((80, 60), 90).convert("RGB").save(path)
    return path


def test_a_drawn_picture_is_described(
    apple: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "describe", str(apple), "--maps", str(tmp_path / "maps")) == 0
    caption, saved = capsys.readouterr().out.splitlines()
    assert "red apple on a white background" in caption
    assert saved == f"words: {tmp_path / 'maps' / 'apple-words.png'}"
    with Image.open(tmp_path / "maps" / "apple-words.png") as sheet:
        assert sheet.width > 256


def test_json_has_where_each_word_looked(
    apple: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "describe", str(apple), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["file"] == str(apple) and found["known"] > 0.9
    (word,) = [each for each in found["words"] if each["word"] == "apple"]
    assert found["text"][slice(*word["span"])] == "apple"
    assert all(0.3 < at < 0.7 for at in word["at"])


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("is there a red apple?", "yes"),
        ("is there a car?", "no"),
        ("how many apples are there?", "one"),
        ("what color is the background?", "white"),
    ],
)
def test_a_question_is_answered(
    apple: Path,
    question: str,
    answer: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "ask", str(apple), question) == 0
    assert capsys.readouterr().out == f"{answer}\n"


def test_what_it_does_not_know_it_says(
    noise: Path, apple: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "describe", str(noise)) == 0
    assert capsys.readouterr().out.startswith(f"{UNKNOWN} (score 0.0")
    assert run(monkeypatch, "ask", str(apple), "hello") == 2
    assert "is there a red apple?" in capsys.readouterr().err


def test_a_bad_file_does_not_hide_the_others(
    apple: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert run(monkeypatch, "describe", str(tmp_path / "bad.png"), str(apple)) == 2
    printed = capsys.readouterr()
    assert "bad.png" in printed.err and "apple" in printed.out


def test_pictures_with_one_name_get_sheets_of_their_own(
    apple: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = tmp_path / "other" / apple.name
    same.parent.mkdir()
    same.write_bytes(apple.read_bytes())
    assert run(monkeypatch, "describe", str(apple), str(same), "--maps", str(tmp_path / "maps")) == 0
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["apple-2-words.png", "apple-words.png"]


@pytest.mark.parametrize("command", [("describe",), ("ask", "what is there?"), ("check",)])
def test_a_command_that_is_stopped_says_so(
    command: tuple[str, ...],
    apple: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("limelight.pipeline.describer.default.DefaultDescriber.from_pretrained", stop)
    name, *rest = command
    assert run(monkeypatch, name, str(apple), *rest) == 4
    assert capsys.readouterr().err.endswith("stopped\n")
