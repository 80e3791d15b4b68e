"""From a PNG to the settings that made it: everything in it is taken for something that a stranger typed."""

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any

from app.ui.errors import NotOffered
from app.ui.limits import Limits
from app.ui.settings import Settings, requests_of
from pipeline.errors import UsageError
from pipeline.metadata import read_record

# What a record may set. Models, files and places are not among them: a record names no file that is opened.
RESTORED = (
    "prompt",
    "negative_prompt",
    "seed",
    "num_steps",
    "guidance_scale",
    "scheduler",
    "width",
    "height",
    "hires_scale",
    "hires_strength",
    "clip_skip",
    "guidance_rescale",
)


def settings_of_png(data: bytes, limits: Limits) -> dict[str, Any]:
    """The controls that a PNG's record sets.

    Raises:
        UsageError: it is too large, no PNG, has no record, or one that asks for what the page refuses.
    """
    if len(data) > limits.max_file_bytes:
        raise NotOffered(f"the file has {len(data):,} bytes; at most {limits.max_file_bytes:,} are read here")
    return settings_of_record(read_record(io.BytesIO(data), name="the file")["request"], limits)


def settings_of_record(stored: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The controls that a stored request sets.

    Raises:
        UsageError: a field is not what the page would take from somebody who typed it.
    """
    taken = {name: stored[name] for name in RESTORED if stored.get(name) is not None}
    if not isinstance(taken.get("prompt"), str):
        raise UsageError("the record has no prompt")
    if "seed" in taken:
        taken["seed"] = str(taken["seed"])
    checked = requests_of(Settings(**taken), limits, (64, 64), record=False)[0]
    return {name: taken[name] for name in taken if name != "scheduler"} | (
        {"scheduler": checked.scheduler} if checked.scheduler else {}
    )


def decoded(data: Any, limits: Limits) -> bytes:
    """The bytes that a browser sent as base64.

    Raises:
        UsageError: it is something else, or too much.
    """
    if not isinstance(data, str):
        raise UsageError("no file came with it")
    if len(data) > limits.max_file_bytes * 4 // 3 + 4:
        raise NotOffered(
            f"the file has about {len(data) * 3 // 4:,} bytes; at most {limits.max_file_bytes:,}"
        )
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise UsageError(f"the file did not arrive whole: {error}") from None
