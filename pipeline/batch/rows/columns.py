"""The columns of a manifest: the fields of a request, `id` and `count`, and the caller's own."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from limelight.pipeline.requests.request import GenerationRequest

FIELDS = tuple(field.name for field in fields(GenerationRequest))
KNOWN = (*FIELDS, "id", "count")
_TEXT = {"prompt", "negative_prompt", "scheduler", "image", "mask", "record", "id"}
_WHOLE = {"seed", "width", "height", "num_steps", "clip_skip", "lossy_cache_interval", "count"}
_JSON = {"record_extras", "record_points", "record_queries"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # no file of Windows has such a name


def misspelt(name: str) -> str | None:
    """What is wrong with a column's name: one that is nearly a field's is a mistake; others are the caller's.

    A name that begins with an underscore is the caller's, however near it is.
    """
    if not name:
        return "a column has no name; give it one, or remove it"
    if name in KNOWN or name.startswith("_"):
        return None
    near = get_close_matches(name.lower().replace(" ", "_"), KNOWN, n=1, cutoff=0.75)
    if not near:
        return None
    return (
        f"unknown column {name!r} (did you mean {near[0]!r}?); to keep it as one of your own, "
        f"call it {'_' + name!r}"
    )


def typed(name: str, value: object) -> Any:
    """The value of a cell; None where there is none.

    Args:
        value: text, as in a csv file, or what JSON or parquet gave.

    Raises:
        ValueError: it is not of the column's type; the message says so.
    """
    if isinstance(value, float) and math.isnan(value) and name in _WHOLE:
        return None  # how a table with gaps stores a whole number that is missing
    if name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str) or name not in KNOWN:
        return str(value) if name == "id" and isinstance(value, int) else value
    if name == "record" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if name in _TEXT:
        return value
    return _parsed(name, value.strip())


def _parsed(name: str, text: str) -> Any:
    if name in _JSON:
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise ValueError(f"{name} is {text!r}; must be a list in JSON, such as [1, 2]") from None
    kind = "a whole number" if name in _WHOLE else "a number"
    try:
        number = int(text) if re.fullmatch(r"[+-]?\d{1,30}", text) else float(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}; must be {kind}") from None
    if name in _WHOLE and isinstance(number, float):
        if not number.is_integer():
            raise ValueError(f"{name} is {text!r}; must be {kind}")
        return int(number)
    return number


def check_id(id: object) -> str:
    """The id, being one that a file can be named after on every system.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise ValueError(
            f"id is {str(id)[:120]!r}; must be 1 to 100 letters, digits, '.', '_' and '-', and begin with a "
            "letter or a digit"
        )
    if _DEVICES.fullmatch(id) or id.endswith("."):
        raise ValueError(f"id is {id!r}, which Windows keeps for itself; choose another")
    return id


def own_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are the caller's."""
    return {name: value for name, value in values.items() if name not in KNOWN}
