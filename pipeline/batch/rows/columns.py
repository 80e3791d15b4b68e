"""The columns of a manifest: the fields of a request, `id` and `count`, and the caller's own."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.hints import field_for
from limelight.pipeline.requests.values import Value, Whole

MAX_EXPANSION = 100_000  # pictures of one row
COLUMNS: Mapping[str, Value] = {name: field.value for name, field in FIELDS.items()} | {
    "id": Value(),
    "count": Whole(1, MAX_EXPANSION),
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # no file of Windows has such a name


def misspelt(name: str) -> str | None:
    """What is wrong with a column's name: one that is nearly a field's is a mistake; others are the caller's.

    A name that begins with an underscore is the caller's, however near it is.
    """
    if not name:
        return "a column has no name; give it one, or remove it"
    if name in COLUMNS or name.startswith("_"):
        return None
    plain = name.lower().replace(" ", "_")
    near = next(iter(get_close_matches(plain, COLUMNS, n=1, cutoff=0.75)), "") or field_for(plain)
    if not near:
        return None
    return (
        f"unknown column {name!r} (did you mean {near!r}?); to keep it as one of your own, "
        f"call it {'_' + name!r}"
    )


def typed(name: str, value: object) -> Any:
    """The value of a cell; None where there is none.

    Args:
        value: text, as in a csv file, or what JSON or parquet gave.

    Raises:
        ValueError: it is not of the column's type; the message says so.
    """
    if name == "id" and isinstance(value, int):
        return str(value)
    return COLUMNS[name].read(name, value) if name in COLUMNS else value


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
    return {name: value for name, value in values.items() if name not in COLUMNS}
