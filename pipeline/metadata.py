"""The record inside a PNG: JSON for machines, and the `parameters` text that other programs read."""

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from pipeline.errors import OutputError, UsageError
from pipeline.schedulers import scheduler_label
from pipeline.whole import write_whole

KEY = "limelight"
MAX_RECORD_CHARACTERS = 1_000_000


class NoRecord(UsageError):
    """A file holds no record of what made it, or one that cannot be read."""


def parameters_text(info: Mapping[str, Any]) -> str:
    """The record in the manner of AUTOMATIC1111's web UI, which most galleries show and search."""
    request = info["request"]
    settings = {
        "Steps": request["num_steps"],
        "Sampler": scheduler_label(request["scheduler"]),
        "CFG scale": f"{request['guidance_scale']:g}",
        "Seed": request["seed"],
        "Size": f"{request['width']}x{request['height']}",
        **_denoising(request),
        "Model hash": info["model"]["hash"][:10],
        "Model": info["model"]["name"],
    }
    if request.get("clip_skip", 1) > 1:
        settings["Clip skip"] = request["clip_skip"]
    for kind, key in (("lora", "Lora hashes"), ("embedding", "TI hashes")):
        used = [one for one in info.get("adapters", []) if one["kind"] == kind]
        if used:
            settings[key] = '"' + ", ".join(f"{one['name']}: {one['sha256'][:12]}" for one in used) + '"'
    settings["Version"] = f"Limelight {info['limelight']}"
    lines = [request["prompt"]]
    if request["negative_prompt"]:
        lines.append(f"Negative prompt: {request['negative_prompt']}")
    return "\n".join([*lines, ", ".join(f"{key}: {value}" for key, value in settings.items())])


def _denoising(request: Mapping[str, Any]) -> dict[str, str]:
    """What stands there of a picture made from an image, or in two passes."""
    if request["hires_scale"] is not None:
        return {
            "Denoising strength": f"{request['hires_strength']:g}",
            "Hires upscale": f"{request['hires_scale']:g}",
            "Hires upscaler": "Lanczos",
        }
    if request["strength"] is not None:
        return {"Denoising strength": f"{request['strength']:g}"}
    return {}


def png_bytes(image: Image.Image, info: Mapping[str, Any]) -> bytes:
    """The PNG of a picture and its record."""
    chunks = PngInfo()
    chunks.add_itxt("parameters", parameters_text(info))
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

    Args:
        name: what messages call it; the path if none is given.

    Raises:
        NoRecord: there is no such file, it is no PNG, or it holds no record.
    """
    name = name or str(path)
    try:
        with Image.open(path, formats=["PNG"]) as image:
            text = image.info.get(KEY)
    except FileNotFoundError:
        raise NoRecord(f"{name} does not exist") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NoRecord(f"{name} cannot be read as a PNG: {error}") from None
    if text is None:
        raise NoRecord(f"{name} holds no Limelight record; only pictures saved by Limelight do")
    if len(text) > MAX_RECORD_CHARACTERS:
        raise NoRecord(
            f"the record in {name} has {len(text):,} characters; at most {MAX_RECORD_CHARACTERS:,}"
        )
    try:
        record = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise NoRecord(f"the record in {name} is not valid JSON: {error}") from None
    if not isinstance(record, dict) or not isinstance(record.get("request"), dict):
        raise NoRecord(f"the record in {name} has no request")
    return record
