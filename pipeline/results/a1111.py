"""The `parameters` text of AUTOMATIC1111's web UI and its like, which most galleries show and search."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.schedulers import scheduler_for_label, scheduler_label

_SETTING = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_NEGATIVE = re.compile(r"^Negative prompt:[ \t]*", re.MULTILINE)
_NETWORK = re.compile(r"<\w+:[^<>\n]+>")  # <lora:name:0.8> in a prompt loads a file there
_FIELDS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "Steps": ("num_steps", int),
    "CFG scale": ("guidance_scale", float),
    "Seed": ("seed", int),
    "Clip skip": ("clip_skip", int),
    "Hires upscale": ("hires_scale", float),
    "Lossy cache interval": ("lossy_cache_interval", int),
}


class BadParameters(UsageError):
    """A text that is not what AUTOMATIC1111's web UI writes."""


def parameters_text(info: Mapping[str, Any]) -> str:
    """A picture's record in that manner."""
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
    if request.get("lossy_cache_interval", 1) > 1:
        settings["Lossy cache interval"] = request["lossy_cache_interval"]
    for kind, key in (("lora", "Lora hashes"), ("embedding", "TI hashes")):
        used = [one for one in info.get("adapters", []) if one["kind"] == kind]
        if used:
            settings[key] = '"' + ", ".join(f"{one['name']}: {one['sha256'][:12]}" for one in used) + '"'
    settings["Version"] = f"Limelight {info['limelight']}"
    lines = [request["prompt"]]
    if request["negative_prompt"]:
        lines.append(f"Negative prompt: {request['negative_prompt']}")
    return "\n".join([*lines, ", ".join(f"{key}: {value}" for key, value in settings.items())])


def record_of(parameters: str) -> dict[str, Any]:
    """What such a text says, as a record: `request` with the fields that have a counterpart here, `model`,
    `version`, and `ignored`, by its names, with whatever has none.

    Raises:
        BadParameters: it is another text, or a number in it is none.
    """
    body, _, last = parameters.strip().rpartition("\n")
    settings = {key: _plain(value) for key, value in _SETTING.findall(last)}
    if not {"Steps", "Seed"} <= settings.keys():
        raise BadParameters("the text named parameters does not end in a line with Steps and Seed")
    prompt, *negative = _NEGATIVE.split(body, maxsplit=1)
    request: dict[str, Any] = {"prompt": prompt.strip(), "negative_prompt": "".join(negative).strip()}
    ignored: dict[str, str] = {}
    for name, text in list(request.items()):
        ignored |= {found: _remedy(found) for found in _NETWORK.findall(text)}
        request[name] = _NETWORK.sub("", text).strip()
    for key, (field, read) in _FIELDS.items():
        if key in settings:
            request[field] = _number(key, settings.pop(key), read)
    if "Denoising strength" in settings:
        field = "hires_strength" if "hires_scale" in request else "strength"
        request[field] = _number("Denoising strength", settings.pop("Denoising strength"), float)
    if "Size" in settings:
        sides = settings.pop("Size").split("x")
        request["width"], request["height"] = (_number("Size", side, int) for side in (*sides, "")[:2])
    label, schedule = settings.get("Sampler", ""), settings.get("Schedule type", "")
    if (scheduler := scheduler_for_label(label, schedule)) is not None:
        request["scheduler"] = scheduler
        del settings["Sampler"]
        settings.pop("Schedule type", None)
    model = {"name": settings.pop("Model", "unknown"), "hash": settings.pop("Model hash", "")}
    version = settings.pop("Version", "not told")
    return {"version": version, "request": request, "model": model, "ignored": ignored | settings}


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


def _remedy(network: str) -> str:
    is_lora = network.startswith("<lora:")
    return "a file of its own; give it with --lora" if is_lora else "a kind of file that is not supported"


def _plain(value: str) -> str:
    """A setting without its quotes, which those with a comma have."""
    if value.startswith('"') and value.endswith('"') and len(value) > 1:
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value.strip()


def _number(key: str, value: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(value)
    except ValueError:
        raise BadParameters(f"the parameters have {key}: {value[:40]!r}, which is no number") from None
