"""Names of files: how they are made, and that no picture overwrites another."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limelight.pipeline.batch.rows.file_names import FileNames, by_key, by_prompt, naming_of, words_of
from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.errors import UnknownName

KEY, OTHER = "0123456789abcdef01234567", "fedcba9876543210fedcba98"
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")


def row(prompt: str, id: str | None = None, number: int = 1) -> Row:
    return Row(number, id, {"prompt": prompt}, {}, b"0" * 32, 0, number)


@given(prompt=st.text(max_size=300), id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
def test_a_name_is_one_of_every_file_system(prompt: str, id: str) -> None:
    for own in (None, id):
        for count in (1, 10**6):
            for name in (by_key(row(prompt, own), KEY, count), by_prompt(row(prompt, own), count)):
                assert set(name) <= SAFE
                assert ".." not in name.split("/") and len(name) < 190


def test_a_name_by_key_holds_nothing_of_the_prompt() -> None:
    assert by_key(row("a red apple"), KEY, 1) == f"{KEY}.png"
    assert by_key(row("a red apple", "one"), KEY, 1) == "one-0123456789.png"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a red apple", "a-red-apple"),
        ("A (red:1.3) apple!", "a-red-1-3-apple"),
        ("../../etc/passwd", "etc-passwd"),
        ("une pêche dorée", "une-peche-doree"),
        ("一个红苹果", ""),
        ("word " * 30, "word-" * 11 + "word"),
        ("x" * 500, "x" * 60),
    ],
)
def test_words_of_a_prompt(prompt: str, words: str) -> None:
    assert words_of(prompt) == words


def test_names_by_prompt_are_in_the_manifests_order() -> None:
    assert by_prompt(row("a red apple"), 8) == "0001-a-red-apple.png"
    assert by_prompt(row("a red apple", "first", 12), 8) == "0012-first-a-red-apple.png"
    assert by_prompt(row("一", number=3), 8) == "0003.png"
    assert by_prompt(row("a cat", number=123456), 200_000) == "123/123456-a-cat.png"


def test_no_picture_takes_the_file_of_another(tmp_path: Path) -> None:
    names = FileNames(tmp_path, 2, {OTHER: "0001-A-cat.png"}, "prompt")
    assert names.of(row("a cat"), KEY) == f"0001-a-cat-{KEY[:10]}.png"  # file systems may not tell a from A
    assert names.of(row("a dog"), OTHER) == "0001-A-cat.png"  # its own, though it has another row now

    (tmp_path / "0001-a-dog.png").write_bytes(b"somebody's")
    assert names.of(row("a dog"), KEY) == f"0001-a-dog-{KEY[:10]}.png"


def test_a_row_that_a_dead_process_began_is_written_again(tmp_path: Path) -> None:
    made = PngInfo()
    made.add_itxt("limelight", json.dumps({"request": {"prompt": "a cat"}, "row": {"key": KEY}}))
    Image.new("RGB", (8, 8)).save(tmp_path / "0001-a-cat.png", pnginfo=made)
    names = FileNames(tmp_path, 1, {}, "prompt")
    assert names.of(row("a cat"), KEY) == "0001-a-cat.png"
    assert names.of(row("a cat"), OTHER) == f"0001-a-cat-{OTHER[:10]}.png"


def test_a_naming_that_does_not_exist_is_refused() -> None:
    assert naming_of("key") == "key"
    with pytest.raises(UnknownName, match="did you mean 'prompt'"):
        naming_of("promt")
