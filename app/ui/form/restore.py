"""Reads the settings that made a PNG. Everything in it is checked like the input of a visitor."""

import io
from collections.abc import Mapping
from typing import Any

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.places import stored_places
from limelight.app.ui.form.settings import Settings, requests_of
from limelight.app.ui.form.start_image import images_of
from limelight.pipeline.errors import RequestError, UsageError
from limelight.pipeline.requests.fields import FIELDS, expert_table, offered
from limelight.pipeline.requests.input_image import recall
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.png import read_record

_HIDDEN_OPTIONS = ("--guidance-interval", "--image-guidance", "--head")
_EMPTY = {
    "edit_of": "",
    "enlarge": 0,
    "freeu": "",
    "guidance_scale": "",
    "hires_scale": 0,
}  # controls of fields that are None


def request_of_png(data: bytes, limits: Limits) -> Mapping[str, Any]:
    """The request in a PNG's record, unchecked.

    Raises:
        UsageError: it is too large, no PNG, or has no record.
    """
    if len(data) > limits.max_file_bytes:
        raise NotOffered(f"the file has {len(data):,} bytes; at most {limits.max_file_bytes:,} are read here")
    return read_record(io.BytesIO(data), name="the file")["request"]


def settings_of_record(stored: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The controls that a stored request sets.

    Raises:
        UsageError: the page would not accept a field from a visitor who typed it.
    """
    taken = {name: stored[name] for name in offered() if stored.get(name) is not None}
    if not isinstance(taken.get("prompt"), str):
        raise UsageError("the record has no prompt")
    if "seed" in taken:
        taken["seed"] = str(taken["seed"])
    checked = requests_of(Settings(**taken, places=stored_places(stored)), limits, (64, 64), record=False)[0]
    found = {name: taken[name] for name in taken if name != "scheduler"} | {"places": stored_places(stored)}
    found |= {name: empty for name, empty in _EMPTY.items() if name in stored and stored[name] is None}
    return found | ({"scheduler": checked.scheduler} if checked.scheduler else {})


def left_out(stored: Mapping[str, Any]) -> list[str]:
    """Fields of a stored request that change the picture, and that no control of the page sets."""
    usual = GenerationRequest(prompt="").to_dict()
    hidden = [name for name, field in FIELDS.items() if field.option in _HIDDEN_OPTIONS]
    return [name for name in (*hidden, *expert_table.TABLE) if stored.get(name, usual[name]) != usual[name]]


def start_of_record(stored: Mapping[str, Any], start: Any, limits: Limits) -> Any:
    """The image and mask that are chosen on the page, if a stored request was made with them.

    Args:
        start: the chosen ones: {"image", "mask"}, as data URLs, or None.

    Raises:
        UsageError: the request was made with others, or none are chosen.
    """
    if not stored.get("image"):
        return None
    image, mask = images_of(start, limits)
    try:
        recall("image", stored["image"], image, "RGB")
        if stored.get("mask"):
            recall("mask", stored["mask"], mask, "L")
    except RequestError:
        raise UsageError(
            "that picture was made from another image or mask than the one that is chosen now; "
            "choose it again under Start from an image"
        ) from None
    return start if stored.get("mask") else {"image": start["image"], "mask": None}
