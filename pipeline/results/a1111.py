"""Writes the `parameters` text of AUTOMATIC1111's web UI, which most galleries show and search."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.schedulers import scheduler_label

# other settings only if they differ from their default
_ALWAYS = ("Steps", "Sampler", "CFG scale", "Seed", "Size")
_DEFAULTS = {field.name: field.default for field in fields(GenerationRequest)}
_SIZE, _STRENGTH, _UPSCALE = "Size", "Denoising strength", "Hires upscale"
_FIRST = (*_ALWAYS, _STRENGTH, _UPSCALE, "Hires upscaler")  # before the model; others follow it


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
