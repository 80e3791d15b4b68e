"""The record inside a PNG: JSON for machines, and the `parameters` text that other programs know."""

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from limelight.pipeline.atomic import write_whole
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.hints import check_names
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.a1111 import BadParameters, parameters_text, record_of

KEY, PARAMETERS = "limelight", "parameters"
MAX_RECORD_CHARACTERS = 1_000_000


class NoRecord(UsageError):
    """A file holds no record of what made it, or one that cannot be read."""


def png_bytes(image: Image.Image, info: Mapping[str, Any]) -> bytes:
    """The PNG of a picture and its record."""
    chunks = PngInfo()
    chunks.add_itxt(PARAMETERS, parameters_text(info))
    chunks.add_itxt(KEY, json.dumps(info, ensure_ascii=False, sort_keys=True))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=chunks)
    return buffer.getvalue()


def save_png(image: Image.Image, info: Mapping[str, Any], path: Path) -> Path:
    """Writes picture and record, whole or not at all.

    Raises:
        OutputError: the place cannot be written to, or is full.
    """
    return write_whole(path, lambda file: file.write(png_bytes(image, info)))


def check_writable(folder: Path) -> None:
    """Raises OutputError unless a file can be made in `folder`, which is made if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from None


def read_record(path: Path | IO[bytes], *, name: str = "") -> dict[str, Any]:
    """The record in a PNG; the pixels are not decoded.

    Of a picture by AUTOMATIC1111's web UI or its like it is what `pipeline.parameters.record_of` reads, with
    `ignored` in it.

    Args:
        name: what messages call it; the path if none is given.

    Raises:
        NoRecord: there is no such file, it is no PNG, or it holds no record.
    """
    name = name or str(path)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text, parameters = image.info.get(KEY), image.info.get(PARAMETERS)
    except FileNotFoundError:
        raise NoRecord(f"{name} does not exist") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NoRecord(f"{name} cannot be read as a PNG: {error}") from None
    found = text if text is not None else parameters
    if not isinstance(found, str):
        raise NoRecord(
            f"{name} holds no record; pictures saved by Limelight and by AUTOMATIC1111's web UI do, until "
            "another program saves them again"
        )
    if len(found) > MAX_RECORD_CHARACTERS:
        raise NoRecord(
            f"the record in {name} has {len(found):,} characters; at most {MAX_RECORD_CHARACTERS:,}"
        )
    return _from_json(found, name) if text is not None else _from_parameters(found, name)


def _from_parameters(text: str, name: str) -> dict[str, Any]:
    try:
        return record_of(text)
    except BadParameters as error:
        raise NoRecord(f"{name}: {error}") from None


def _from_json(text: str, name: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise NoRecord(f"the record in {name} is not valid JSON: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("request"), dict):
        raise NoRecord(f"the record in {name} has no request")
    return record


def is_foreign(record: Mapping[str, Any]) -> bool:
    """Whether a record is of another program's picture."""
    return "ignored" in record


def request_of(record: Mapping[str, Any], **files: Source | None) -> GenerationRequest:
    """What a record asks for.

    Args:
        files: the images that the picture was made with, which no record contains.

    Raises:
        RequestError: a field is unknown or out of its range, or an image is missing or not the same.
    """
    if is_foreign(record):
        check_names(record["request"])
        taken = {name: value for name, value in record["request"].items() if FIELDS[name].is_offered}
        return GenerationRequest(**(taken | files))
    return GenerationRequest.from_dict(record["request"], **files)
