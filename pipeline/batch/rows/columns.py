"""The columns of a manifest: the fields of a request, `id` and `count`, and the caller's own."""

import re
from collections.abc import Mapping
from typing import Any

from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.values import Value, Whole

MAX_EXPANSION = 100_000  # pictures of one row
COLUMNS: Mapping[str, Value] = {name: field.value for name, field in FIELDS.items()} | {
    "id": Value(),
    "count": Whole(1, MAX_EXPANSION),
}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # reserved names of Windows


def typed(name: str, value: object) -> Any:
    """The value of a cell in the type of its column; None if the cell is empty.

    Args:
        value: text, as in a csv file, or a value from JSON or parquet.

    Raises:
        ValueError: the value does not have the column's type.
    """
    if name == "id" and isinstance(value, int):
        return str(value)
    return COLUMNS[name].read(name, value) if name in COLUMNS else value


def check_id(id: object) -> str:
    """The id, if it can be part of a file name on every system.

    Raises:
        ValueError: it cannot.
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
    """The columns that are the caller's own."""
    return {name: value for name, value in values.items() if name not in COLUMNS}
