"""Texts in PNG, JPEG and WebP, wherever and however they are written."""

import io
import struct
import zlib

import pytest
from PIL import Image

from limelight.pipeline.results.foreign.containers import MAX_TEXT_BYTES, UnreadableImage, embedded_texts
from limelight.pipeline.results.png import NoRecord, read_record
from tests.pipeline.results.foreign.pictures import chunk, png, png_of, saved, text_chunk

TEXT = "a café, 猫\nNegative prompt: blurry\nSteps: 3, Sampler: Euler a, CFG scale: 4, Seed: 77, Size: 64x64"


def texts(data: bytes) -> dict[str, str]:
    return embedded_texts(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + TEXT.encode("utf-16-be"),  # A1111
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + TEXT.encode("utf-16"),  # with a mark
        b"UNICODE\0" + TEXT.encode(),
        b"ASCII\0\0\0" + TEXT.encode(),
        b"\0" * 8 + TEXT.encode(),
        TEXT.encode(),
    ],
)
def test_the_comment_of_exif(kind: str, comment: bytes) -> None:
    data = saved(kind, comment)
    assert texts(data)["parameters"] == TEXT
    record = read_record(io.BytesIO(data), name="it")
    assert record["request"]["prompt"] == "a café, 猫"
    assert record["request"]["seed"] == 77


def test_utf_8_in_a_chunk_for_latin_1_is_read_as_such() -> None:
    assert texts(png_of(parameters=TEXT))["parameters"] == TEXT
    assert texts(png(text_chunk("parameters", "caf\xe9", "latin-1")))["parameters"] == "café"


def test_every_kind_of_chunk_before_and_behind_the_pixels() -> None:
    packed = chunk(b"zTXt", b"b\0\0" + zlib.compress(TEXT.encode()))
    plain = chunk(b"iTXt", b"c\0\0\0de\0ce\0" + TEXT.encode())
    small = chunk(b"iTXt", b"d\0\1\0\0\0" + zlib.compress(TEXT.encode()))
    data = png(text_chunk("a", TEXT), packed, after=(plain, small, text_chunk("parameters", TEXT)))
    assert texts(data) == dict.fromkeys(("a", "b", "c", "d", "parameters"), TEXT)


def test_a_comment_in_a_jpeg() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="JPEG", comment=TEXT.encode())
    assert texts(file.getvalue())["comment"] == TEXT


def test_a_webp_of_a_giant_canvas_is_not_unpacked() -> None:
    exif = saved("WEBP", b"ASCII\0\0\0" + TEXT.encode())
    at = exif.index(b"VP8X") + 12
    giant = exif[:at] + struct.pack("<I", 16382)[:3] * 2 + exif[at + 6 :]
    assert texts(giant)["parameters"] == TEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a PNG, JPEG or WebP image"),
        (b"GIF89a" + b"\0" * 50, "is not a PNG, JPEG or WebP image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "has no header"),
        (png_of(a="b")[:60], "ends before its last chunk|in the middle"),
        (png_of(a="b" * 90)[:90], "ends in the middle of a chunk"),
        (png_of(a="bbbb").replace(b"bbbb", b"bbbc"), "has a damaged chunk tEXt"),
        (png(chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * (MAX_TEXT_BYTES + 1)))), "unpacks to more than"),
        (png(chunk(b"zTXt", b"a\0\0junk")), "cannot be unpacked"),
        (png(*[text_chunk(f"t{i}", "x" * (MAX_TEXT_BYTES - 9)) for i in range(4)]), "more than 12,582,912"),
        (b"\xff\xd8\xff\xe0\0\x00" + b"\0" * 9, "has a segment of a negative size"),
        (b"\xff\xd8" + b"\0" * 20, "has no marker where one must be"),
        (b"\xff\xd8\xff\xe1\xff\xff", "ends in the middle of a chunk"),
    ],
)
def test_damaged_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableImage, match=message):
        texts(data)
    with pytest.raises(NoRecord, match=message):
        read_record(io.BytesIO(data), name="it")
