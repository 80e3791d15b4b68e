"""The `parameters` text of AUTOMATIC1111's web UI and its like, which most galleries show and search."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.schedulers import scheduler_for_label, scheduler_label

_SETTING = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_NEGATIVE = re.compile(r"^Negative prompt:[ \t]*", re.MULTILINE)
_NETWORK = re.compile(r"<\w+:[^<>\n]+>")  # <lora:name:0.8> in a prompt loads a file there
_ALWAYS = ("Steps", "Sampler", "CFG scale", "Seed", "Size")  # others only where they are not at their default
_DEFAULTS = {field.name: field.default for field in fields(GenerationRequest)}
_SIZE, _STRENGTH, _UPSCALE = "Size", "Denoising strength", "Hires upscale"
_FIRST = (*_ALWAYS, _STRENGTH, _UPSCALE, "Hires upscaler")  # before the model; others follow it


class BadParameters(UsageError):
    """A text that is not what AUTOMATIC1111's web UI writes."""


def parameters_text(info: Mapping[str, Any]) -> str:
    """A picture's record in that manner."""
    request = info["request"]
    said = _settings(request)
    settings = {key: said.pop(key) for key in _FIRST if key in said}
    settings |= {"Model hash": info["model"]["hash"][:10], "Model": info["model"]["name"]} | said
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
    for name, field in FIELDS.items():
        if field.a1111 in settings and field.a1111 not in (_SIZE, _STRENGTH, "Sampler"):
            request[name] = _number(field.a1111, settings.pop(field.a1111), field.value.written)
    if _STRENGTH in settings:
        name = "hires_strength" if "hires_scale" in request else "strength"
        request[name] = _number(_STRENGTH, settings.pop(_STRENGTH), float)
    if _SIZE in settings:
        sides = settings.pop(_SIZE).split("x")
        request["width"], request["height"] = (_number(_SIZE, side, int) for side in (*sides, "")[:2])
    label, schedule = settings.get("Sampler", ""), settings.get("Schedule type", "")
    if (scheduler := scheduler_for_label(label, schedule)) is not None:
        request["scheduler"] = scheduler
        del settings["Sampler"]
        settings.pop("Schedule type", None)
    model = {"name": settings.pop("Model", "unknown"), "hash": settings.pop("Model hash", "")}
    version = settings.pop("Version", "unknown")
    return {"version": version, "request": request, "model": model, "ignored": ignored | settings}


def _settings(request: Mapping[str, Any]) -> dict[str, str]:
    """The fields that AUTOMATIC1111 has a name for, as it writes them."""
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
