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
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # no file of Windows has such a name


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
