"""Reads flat JSON records: those of SwarmUI, Fooocus, RuinedFooocus, InvokeAI, NovelAI and Hugging Face
Spaces."""

from collections.abc import Mapping
from typing import Any

from limelight.pipeline.requests.fields import OPEN_SEED
from limelight.pipeline.results.foreign.fields import BadParameters, put, put_sampler, put_size, shown

MAX_IGNORED = 200  # settings
_FIELDS: Mapping[str, str] = {
    "prompt": "prompt",
    "positiveprompt": "prompt",
    "negative": "negative_prompt",
    "negativeprompt": "negative_prompt",
    "uc": "negative_prompt",
    "steps": "num_steps",
    "numinferencesteps": "num_steps",
    "cfg": "guidance_scale",
    "cfgscale": "guidance_scale",
    "guidancescale": "guidance_scale",
    "scale": "guidance_scale",
    "seed": "seed",
    "width": "width",
    "height": "height",
    "cfgrescalemultiplier": "guidance_rescale",
}
_SIZES = ("resolution", "size")
_SAMPLERS = ("sampler", "samplername", "scheduler")  # InvokeAI and Spaces say scheduler for the sampler
_SCHEDULES = ("scheduler", "schedule", "noiseschedule")
_MODELS = ("model", "basemodel", "basemodelname", "modelname", "modelweights", "usemodel")
_HASHES = ("basemodelhash", "modelhash", "hash")


def record_of(program: str, settings: Mapping[str, Any], version: str = "unknown") -> dict[str, Any]:
    """The record of a program's settings.

    Raises:
        BadParameters: there is no prompt, or a number is invalid.
    """
    left = {_plain(key): (key, value) for key, value in settings.items() if value is not None}
    request: dict[str, Any] = {}
    ignored: dict[str, str] = {}
    model = _model(left)
    for theirs, ours in _FIELDS.items():
        if theirs in left and ours not in request:
            key, value = left.pop(theirs)
            put(request, ours, key, value)
    for theirs in _SIZES:
        if theirs in left and "width" not in request:
            key, value = left.pop(theirs)
            put_size(request, key, value)
    if request.get("seed") == OPEN_SEED:
        ignored["seed"] = str(request.pop("seed"))
    found = next((left.pop(theirs) for theirs in _SAMPLERS if theirs in left), None)
    schedule = next((left.pop(theirs)[1] for theirs in _SCHEDULES if theirs in left), "")
    if found:
        put_sampler(request, ignored, found[0], shown(found[1]), shown(schedule))
    if "prompt" not in request:
        raise BadParameters(
            f"the record of {program} has no prompt; its settings are {shown_names(settings)}"
        )
    ignored |= {key: shown(value) for key, value in list(left.values())[:MAX_IGNORED]}
    return {
        "program": program,
        "version": shown(version),
        "request": request,
        "model": model,
        "ignored": ignored,
    }


def _plain(key: str) -> str:
    return key.lower().replace(" ", "").replace("_", "").replace("-", "")


def _model(left: dict[str, tuple[str, Any]]) -> dict[str, str]:
    """Name and hash of the model; InvokeAI and Spaces have both in one object."""
    value = next((left.pop(key)[1] for key in _MODELS if key in left), "")
    digest = next((left.pop(key)[1] for key in _HASHES if key in left), "")
    if isinstance(value, Mapping):
        inner = {_plain(str(key)): each for key, each in value.items()}
        digest = digest or next((inner[key] for key in _HASHES if key in inner), "")
        value = next((inner[key] for key in ("name", *_MODELS) if key in inner), "")
    return {"name": shown(value) or "unknown", "hash": shown(digest)}


def shown_names(settings: Mapping[str, Any]) -> str:
    names = list(settings)
    return shown(", ".join(str(name)[:40] for name in names[:20]) + (", ..." if len(names) > 20 else ""))
