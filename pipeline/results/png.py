"""Reads and writes pictures with their record: JSON, and the `parameters` text of AUTOMATIC1111's web UI,
which most galleries show and search. Small pictures are enlarged for viewing."""

import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from limelight.files import UnreadableFile, open_regular
from limelight.pipeline.atomic import write_whole
from limelight.pipeline.enlarging import SHOCK_FILTER
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.fields.hints import check_names
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.schedulers import scheduler_label
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.foreign.containers import UnreadableImage, embedded_texts
from limelight.pipeline.results.foreign.fields import BadParameters
from limelight.pipeline.results.foreign.record import READ, foreign_record

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.results.result import Result

KEY, PARAMETERS = "limelight", "parameters"
MAX_RECORD_CHARACTERS = 1_000_000
SMALL, WANTED = 256, 512  # of the longer side, in pixels
LANCZOS = "Lanczos"  # by which earlier versions enlarged

# other settings only if they differ from their default
_ALWAYS = ("Steps", "Sampler", "CFG scale", "Seed", "Size")
_DEFAULTS = {field.name: field.default for field in fields(GenerationRequest)}
_SIZE, _STRENGTH, _UPSCALE = "Size", "Denoising strength", "Hires upscale"
_FIRST = (*_ALWAYS, _STRENGTH, _UPSCALE, "Hires upscaler")  # before the model; others follow it


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
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"cannot write to {folder}: it is a file, or lies in one; give a folder") from None
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


def parameters_text(info: Mapping[str, Any]) -> str:
    """A picture's record in AUTOMATIC1111's format."""
    request = info["request"]
    said = _settings(request)
    settings = {key: said.pop(key) for key in _FIRST if key in said}
    settings |= {"Model hash": info["model"]["hash"][:10], "Model": info["model"]["name"]} | said
    settings = {key: _quoted(value) for key, value in settings.items()}
    for kind, key in (("lora", "Lora hashes"), ("embedding", "TI hashes")):
        used = [one for one in info.get("adapters", []) if one["kind"] == kind]
        if used:
            settings[key] = _quoted(", ".join(f"{one['name']}: {one['sha256'][:12]}" for one in used))
    settings["Version"] = f"Limelight {info['limelight']}"
    lines = [request["prompt"]]
    if request["negative_prompt"]:
        lines.append(f"Negative prompt: {request['negative_prompt']}")
    return "\n".join([*lines, ", ".join(f"{key}: {value}" for key, value in settings.items())])


def _settings(request: Mapping[str, Any]) -> dict[str, str]:
    """The fields that exist in AUTOMATIC1111, in its notation."""
    said: dict[str, str] = {}
    for name, field in FIELDS.items():
        key, value = field.a1111, request.get(name)
        if not key or value is None or (key not in _ALWAYS and value == _DEFAULTS[name]):
            continue
        if name == "scheduler":
            said[key] = scheduler_label(value)
        elif name == "height":
            said[key] += f"x{value}"
        else:
            said[key] = f"{value:g}" if field.value.written is float else str(value)
    if _UPSCALE in said:  # its strength is the one that is written
        said |= {_STRENGTH: f"{request['hires_strength']:g}", "Hires upscaler": "Lanczos"}
    return said


def _quoted(text: str) -> str:
    """A value; as a JSON string if it contains a delimiter, as in AUTOMATIC1111."""
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:"\n\r') else text


def viewing_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a picture is saved. If its longer side is below `SMALL`, it becomes `WANTED`;
    otherwise the picture keeps its size."""
    longer = max(size)
    if longer >= SMALL:
        return size
    width, height = (round(side * WANTED / longer) for side in size)
    return width, height


def enlarge_to_view(result: "Result", by: str = SHOCK_FILTER) -> "Result":
    """The result with its picture at `viewing_size`. The record's `enlarged` contains both sizes. A picture
    that is large enough, or that was enlarged as its request says, does not change.

    Args:
        by: the filter; `LANCZOS` was used by earlier versions.
    """
    size = viewing_size(result.image.size)
    before = result.info.get("enlarged", {"from": list(result.image.size)})
    is_done = "by" in before and by != LANCZOS  # earlier versions enlarged such a picture once more
    if size == result.image.size or is_done:
        return result
    about = {**before, "to": list(size), "by": " and ".join([*filter(None, [before.get("by")]), by])}
    if by == LANCZOS:
        image = result.image.resize(size, Image.Resampling.LANCZOS)
    else:
        from limelight.pipeline.enlarging.view import enlarged  # loads torch

        image = enlarged(result.image, size)
    return replace(result, image=image, info=dict(result.info) | {"enlarged": about})


def viewed_by(record: Mapping[str, Any]) -> str:
    """The filter by which the picture of a record was enlarged to be viewed."""
    about = record.get("enlarged")
    by = about.get("by") if isinstance(about, dict) else None
    return LANCZOS if isinstance(by, str) and by.endswith(LANCZOS) else SHOCK_FILTER


def drawn_image(path: Path) -> Image.Image | None:
    """The picture in a file at the size at which it was drawn; None if it was not enlarged."""
    try:
        size = _drawn_size(read_record(path))
    except NoRecord:
        return None
    if size is None:
        return None
    with open_regular(path) as file, Image.open(file) as image:
        if size[0] > image.width or size[1] > image.height:
            return None
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _drawn_size(record: dict[str, Any]) -> tuple[int, int] | None:
    match record.get("enlarged"):
        case {"from": [int(width), int(height)]} if width > 0 and height > 0:
            return width, height
    return None
