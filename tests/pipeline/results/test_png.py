import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limelight.pipeline.errors import OutputError, RequestError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.png import NoRecord, check_writable, read_record, request_of, save_png


def info(prompt: str = "a red apple", negative_prompt: str = "") -> dict[str, object]:
    request = GenerationRequest(prompt=prompt, negative_prompt=negative_prompt, seed=7, width=64, height=48)
    return {
        "limelight": "1.2",
        "request": request.resolved(width=0, height=0, guidance_scale=4.0, scheduler="ddim").to_dict(),
        "model": {"name": "default", "hash": "0123456789abcdef"},
    }


def test_a_saved_picture_is_read_back(tmp_path: Path) -> None:
    path = save_png(Image.new("RGB", (8, 8)), info(), tmp_path / "new" / "a.png")
    assert read_record(path) == info()
    assert [p.name for p in path.parent.iterdir()] == ["a.png"]


@settings(deadline=None)  # the first write of a run is slow
@given(prompt=st.text(max_size=80).filter(lambda text: "\ud800" > max(text, default="")))
def test_any_prompt_survives(tmp_path_factory: pytest.TempPathFactory, prompt: str) -> None:
    path = tmp_path_factory.mktemp("png") / "a.png"
    save_png(Image.new("RGB", (1, 1)), info(prompt), path)
    assert read_record(path)["request"]["prompt"] == prompt


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_png(Image.new("RGB", (8, 8)), info(), tmp_path / "a.png")
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*a\.png: No space left on device"):
        save_png(Image.new("RGB", (8, 8), "red"), info(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"):
        check_writable(tmp_path / "file" / "folder")
    with pytest.raises(OutputError, match="file: it is a file, or lies in one; give a folder"):
        check_writable(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "a.png is not a PNG, JPEG or WebP image"),
        (b"GIF89a", "a.png is not a PNG, JPEG or WebP image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "a.png has no header"),
    ],
)
def test_a_file_that_is_no_png_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NoRecord, match=message):
        read_record(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no record"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "has no request"),
        (json.dumps({"request": "x"}), "has no request"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    chunks = PngInfo()
    if text is not None:
        chunks.add_itxt("limelight", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=chunks)
    with pytest.raises(NoRecord, match=message):
        read_record(tmp_path / "a.png")


def test_a_text_bomb_is_not_unpacked(tmp_path: Path) -> None:
    chunks = PngInfo()
    chunks.add_itxt("limelight", "x" * 200_000_000, zip=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=chunks)
    with pytest.raises(NoRecord, match="unpacks to more than 4,194,304 bytes"):
        read_record(tmp_path / "a.png")


def test_a_record_that_poses_as_another_programs_opens_no_file() -> None:
    record = {"request": {"prompt": "a", "image": "/etc/passwd", "seed": 3}, "ignored": {}}
    assert request_of(record, image=None, mask=None) == GenerationRequest(prompt="a", seed=3)
    with pytest.raises(RequestError, match="unknown field 'modle'; valid: prompt, "):
        request_of({"request": {"prompt": "a", "modle": "x"}, "ignored": {}})
