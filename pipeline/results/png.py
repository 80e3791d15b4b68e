"""Reads and writes the record in a picture: JSON, and the `parameters` text that other programs read."""

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limelight.files import UnreadableFile, open_regular
from limelight.pipeline.atomic import write_whole
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.fields.hints import check_names
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.a1111 import parameters_text
from limelight.pipeline.results.foreign.containers import UnreadableImage, embedded_texts
from limelight.pipeline.results.foreign.fields import BadParameters
from limelight.pipeline.results.foreign.record import READ, foreign_record

KEY, PARAMETERS = "limelight", "parameters"
MAX_RECORD_CHARACTERS = 1_000_000


class NoRecord(UsageError):
    """A file holds no record, or one that cannot be read."""


def png_bytes(image: Image.Image, info: Mapping[str, Any]) -> bytes:
    """The PNG of a picture and its record."""
    chunks = PngInfo()
    chunks.add_itxt(PARAMETERS, parameters_text(info))
    chunks.add_itxt(KEY, json.dumps(info, ensure_ascii=False, sort_keys=True))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=chunks)
    return buffer.getvalue()


def save_png(image: Image.Image, info: Mapping[str, Any], path: Path) -> Path:
    """Writes a picture with its record, atomically.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    return write_whole(path, lambda file: file.write(png_bytes(image, info)))


def check_writable(folder: Path) -> None:
    """Raises OutputError unless files can be made in `folder`; makes the folder if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None


def read_record(path: Path | IO[bytes], *, name: str = "") -> dict[str, Any]:
    """The record in a PNG, or that of another program in a PNG, JPEG or WebP. No pixel is decoded.

    The record of another program comes from `foreign_record` and has the key `ignored`.

    Args:
        name: the name of the file in messages; by default its path.

    Raises:
        NoRecord: there is no such file, it is no such image, or it holds no record that can be read.
    """
    name = name or str(path)
    try:
        texts = _texts(path)
    except FileNotFoundError:
        raise NoRecord(f"{name} does not exist") from None
    except UnreadableImage as error:
        raise NoRecord(f"{name} {error}; a picture that holds a record is a PNG, JPEG or WebP") from None
    except UnreadableFile as error:
        raise NoRecord(str(error)) from None
    except OSError as error:
        raise NoRecord(f"{name} cannot be read: {error.strerror or error}") from None
    for key, text in texts.items():
        if len(text) > MAX_RECORD_CHARACTERS and key in (KEY, PARAMETERS):
            raise NoRecord(
                f"the record in {name} has {len(text):,} characters; at most {MAX_RECORD_CHARACTERS:,}"
            )
    if KEY in texts:
        return _from_json(texts[KEY], name)
    try:
        record = foreign_record(texts)
    except BadParameters as error:
        raise NoRecord(f"{name}: {error}") from None
    if record is None:
        raise NoRecord(
            f"{name} holds no record of a program that is known here ({READ}); many programs and sites leave "
            "it out when they save a picture again"
        )
    return record


def _texts(path: Path | IO[bytes]) -> dict[str, str]:
    if not isinstance(path, Path):
        return embedded_texts(path)
    with open_regular(path) as file:
        return embedded_texts(file)


def _from_json(text: str, name: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoRecord(f"the record in {name} is not valid JSON: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("request"), dict):
        raise NoRecord(f"the record in {name} has no request")
    model = record.setdefault("model", {})
    if not isinstance(model, dict) or not all(isinstance(value, str) for value in model.values()):
        raise NoRecord(f"the model in the record of {name} is not a name and a hash")
    if not isinstance(record.get("dtype"), str | None):
        raise NoRecord(f"the dtype in the record of {name} is not a name")
    record.pop("ignored", None)  # the key marks records of other programs
    return record


def is_foreign(record: Mapping[str, Any]) -> bool:
    """Whether a record is of another program's picture."""
    return "ignored" in record


def request_of(record: Mapping[str, Any], **files: Source | None) -> GenerationRequest:
    """The request in a record.

    Args:
        files: the images that the picture was made with, which records do not contain.

    Raises:
        RequestError: a field is unknown or out of range, or an image is missing or has changed.
    """
    if is_foreign(record):
        check_names(record["request"])
        taken = {name: value for name, value in record["request"].items() if FIELDS[name].is_offered}
        if files.get("image") is None:
            taken.pop("strength", None)  # of an image that the file does not hold
        return GenerationRequest(**(taken | files))
    return GenerationRequest.from_dict(record["request"], **files)
