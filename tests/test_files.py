"""Files of strangers neither hang the program nor fill its memory."""

import os

import pytest

from limelight.files import UnreadableFile, open_regular, parse_json, read_bytes, read_json
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.locate import locate_model


def test_valid_files_are_read(tmp_path):
    (path := tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": [1, {"b": null}]}')
    assert read_json(path) == {"a": [1, {"b": None}]}
    with open_regular(path) as file:
        assert file.read() == path.read_bytes()
    (link := tmp_path / "link").symlink_to(path)
    assert read_json(link) == read_json(path)


def test_a_missing_file_has_its_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkdir, "is a folder; needs a regular file"),
        (os.mkfifo, "is a FIFO; needs a regular file"),
        (lambda path: os.symlink("/dev/zero", path), "is a device; needs a regular file"),
        (lambda path: os.symlink(path, path), "cannot be read: Too many levels"),
    ],
)
def test_paths_that_are_no_files_are_refused(tmp_path, make, message):
    make(path := tmp_path / "x")
    with pytest.raises(UnreadableFile, match=message):
        open_regular(path)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_names_that_no_file_has_are_refused(name):
    with pytest.raises(UnreadableFile) as refusal:
        open_regular(name)
    assert len(str(refusal.value)) < 300


def test_more_bytes_than_allowed_are_not_read(tmp_path):
    (path := tmp_path / "x").write_bytes(b"12345")
    assert read_bytes(path, max_bytes=5) == b"12345"
    with pytest.raises(UnreadableFile, match="has more than 4 bytes, the most that is read"):
        read_bytes(path, max_bytes=4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "not valid JSON"),
        (b"[" * 33 + b"]" * 33, "nested more than 32 levels"),
        (b"9" * 5000, "not valid JSON"),
        (b"[" + b"0," * 500_001 + b"0]", "values; at most 500,000 are read"),
        (b"\xff", "not valid JSON"),
        (b"", "not valid JSON"),
    ],
)
def test_a_file_that_is_no_json_is_refused(content, message):
    with pytest.raises(UnreadableFile, match=message):
        parse_json(content, name="it")
    assert parse_json(b"[" * 32 + b"]" * 32, name="it")


@pytest.mark.parametrize("name", ["https://host/a.png", "https:/host/a.png", "s3://bucket/m.csv"])
def test_an_address_is_no_missing_file(name):
    with pytest.raises(UnreadableFile, match="is an address, not a file; download it"):
        open_regular(name)
    with pytest.raises(ModelError, match="is an address, not a file; download it"):
        locate_model(name)
