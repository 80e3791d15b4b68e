"""Sets the fields of a request from the settings of other programs, which are not trusted."""

from collections.abc import Mapping
from typing import Any

from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.sampler_names import SCHEDULES, spelling
from limelight.pipeline.requests.schedulers import scheduler_for_label

MAX_SHOWN = 200  # characters of an ignored setting


class BadParameters(UsageError):
    """The record of another program cannot be read."""


def put(request: dict[str, Any], name: str, key: str, value: Any) -> None:
    """Sets a field to a value, which is text or comes from JSON.

    Args:
        key: the program's name for it, for messages.

    Raises:
        BadParameters: the value does not have the field's type.
    """
    kind_of = FIELDS[name].value
    is_text = kind_of.written is str
    try:
        read = kind_of.read(name, value)
        if not isinstance(read, str if is_text else int | float) or isinstance(read, bool):
            raise ValueError
    except ValueError:
        kind = "text" if is_text else "number"
        raise BadParameters(f"the parameters have {key}: {shown(value)!r}, which is no {kind}") from None
    request[name] = read


def put_size(request: dict[str, Any], key: str, value: Any) -> None:
    """Sets width and height from `512x768`, `512 x 768` or `(512, 768)`; raises as `put`."""
    width, height = sides(key, value)
    request |= {"width": width, "height": height}


def sides(key: str, value: Any) -> tuple[int, int]:
    """Parses width and height.

    Raises:
        BadParameters: they are not numbers.
    """
    text = str(value)[:60].strip("()[] ").lower()
    for separator in ("x", "\N{MULTIPLICATION SIGN}", ","):
        width, found, height = text.partition(separator)
        if found and width.strip().isdecimal() and height.strip().isdecimal():
            return int(width), int(height)
    raise BadParameters(f"the parameters have {key}: {shown(value)!r}, which is no size such as 512x768")


def put_sampler(
    request: dict[str, Any], left_out: dict[str, str], key: str, label: str, schedule: str = ""
) -> None:
    """Sets the scheduler. An unknown sampler, or a schedule that the sampler lacks here, goes into
    `left_out`."""
    scheduler = scheduler_for_label(label, schedule)
    if scheduler is None:
        plain, schedule = _apart(label, schedule)
        scheduler = scheduler_for_label(plain)
        if scheduler is not None:
            left_out["Schedule type"] = shown(schedule)
    if scheduler is None:
        left_out[key] = shown(f"{label} {schedule}".strip())
    else:
        request["scheduler"] = scheduler


def _apart(label: str, schedule: str) -> tuple[str, str]:
    """Splits a label into sampler and schedule."""
    words = label.split()
    if len(words) > 1 and spelling(words[-1]) in SCHEDULES:
        return " ".join(words[:-1]), schedule or words[-1]
    return label, schedule


def shown(value: Any) -> str:
    """A setting as text of no more than `MAX_SHOWN` characters."""
    text = value if isinstance(value, str) else str(value) if _is_small(value) else type(value).__name__
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _is_small(value: Any) -> bool:
    """Whether its text is cheap to make."""
    if isinstance(value, int):
        return value.bit_length() < 1000
    return isinstance(value, float | bool | type(None)) or (isinstance(value, list | Mapping) and not value)
