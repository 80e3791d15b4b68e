"""Checks the values of a configuration key by key, and drops unknown keys."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from limelight.files import MAX_JSON_BYTES, UnreadableFile, read_json
from limelight.pipeline.errors import ModelError

# Returns what the value must be if it is wrong; None if it is right.
Check = Callable[[Any], str | None]


def read_object(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The object in a JSON file of a model's folder.

    Raises:
        ModelError: there is no such file, or it does not hold an object.
    """
    try:
        values = read_json(path, max_bytes=max_bytes)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist; a model folder in diffusers layout has it") from None
    except UnreadableFile as error:
        raise ModelError(str(error)) from None
    if not isinstance(values, dict):
        raise ModelError(f"{path} holds a {type(values).__name__}; must be an object")
    return values


def checked(path: Path, content: Mapping[str, Any], schema: Mapping[str, Check]) -> dict[str, Any]:
    """The known keys of a configuration. Other keys reach no library.

    Args:
        path: the name of the file in messages.

    Raises:
        ModelError: a value has the wrong type, or is out of bounds.
    """
    known = {key: value for key, value in content.items() if key in schema}
    for key, value in known.items():
        if wanted := schema[key](value):
            raise ModelError(f"{path}: {key} is {brief(value)}; must be {wanted}")
    return known


def brief(value: Any) -> str:
    """A value shortened for a message."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**30:
        return "a number of more than 30 digits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def whole(low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        is_right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if is_right else f"a whole number from {low:,} to {high:,}"

    return check


def number(low: float, high: float, *, above: bool = False, endless: bool = False) -> Check:
    """Checks a number.

    Args:
        above: whether `low` itself is refused.
        endless: whether minus infinity is accepted, which Python's JSON can hold.
    """

    def check(value: Any) -> str | None:
        if endless and value == -math.inf:
            return None
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_right = is_number and (low < value if above else low <= value) and value <= high
        return None if is_right else f"a number {'above' if above else 'from'} {low:g} to {high:g}"

    return check


def flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def one_of(*names: str) -> Check:
    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in names else " or ".join(map(repr, names))

    return check


def list_of(each: Check, low: int, high: int) -> Check:
    def check(value: Any) -> str | None:
        if not isinstance(value, list | tuple) or not low <= len(value) <= high:
            return f"a list of {low:,} to {high:,} values"
        wanted = next((wanted for one in value if (wanted := each(one))), None)
        return wanted and f"a list, each {wanted}"

    return check


def either(*checks: Check) -> Check:
    def check(value: Any) -> str | None:
        wanted = [each(value) for each in checks]
        return None if None in wanted else " or ".join(str(one) for one in wanted)

    return check


def optional(check: Check) -> Check:
    """Accepts null, or what `check` accepts."""

    def check_or_none(value: Any) -> str | None:
        return None if value is None else f"{wanted} or null" if (wanted := check(value)) else None

    return check_or_none
