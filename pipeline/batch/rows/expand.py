"""Expands one row of a manifest into all its pictures, in a fixed order."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from limelight.pipeline.batch.rows.alternatives import alternatives, num_alternatives, shown
from limelight.pipeline.batch.rows.columns import MAX_EXPANSION, typed
from limelight.pipeline.batch.rows.names import known
from limelight.pipeline.errors import UnknownName, UsageError
from limelight.pipeline.requests.fields import FIELDS

_TEXTS = ("prompt", "negative_prompt")
_RANGE = re.compile(r"(\d{1,19})\.\.(\d{1,19})")

Matrix = Mapping[str, Sequence[Any]]  # field -> values


def parse_matrix(options: Sequence[str]) -> dict[str, list[Any]]:
    """Parses `FIELD=V1,V2,...`, `FIELD=[...]` in JSON, or `FIELD=1..9` for a range that includes both ends.

    Raises:
        UsageError: an option has another form, or a field is given twice.
    """
    matrix: dict[str, list[Any]] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or not text:
            raise UsageError(f"matrix is {option!r}; must be FIELD=VALUE,VALUE,... such as seed=1,2,3")
        typed_name, name = name, known(name) or name
        if name not in FIELDS:
            raise UnknownName("field", typed_name, FIELDS)
        if name in matrix:
            raise UsageError(f"matrix has {name} twice; give all of its values in one")
        matrix[name] = [_checked(name, value) for value in _values(name, text)]
    return matrix


def _checked(name: str, value: Any) -> Any:
    """A value of the matrix, checked once for all rows.

    Raises:
        UsageError: the value is out of range.
    """
    try:
        if value is not None:
            FIELDS[name].value.check(name, value)
    except UsageError as error:
        raise UsageError(f"matrix: {error}") from None
    return value


def _values(name: str, text: str) -> list[Any]:
    if bounds := _RANGE.fullmatch(text):
        first, last = map(int, bounds.groups())
        if not 0 <= last - first < MAX_EXPANSION:
            raise UsageError(f"matrix {name} is {text}; must rise, by less than {MAX_EXPANSION:,}")
        return list(range(first, last + 1))
    if text.startswith("["):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"matrix {name} is {text[:60]!r}, which is not a list in JSON: {error}"
            ) from None
        if not values:
            raise UsageError(f"matrix {name} is empty; give at least one value")
        return list(values)
    try:
        return [typed(name, value) for value in text.split(",")]
    except ValueError as error:
        raise UsageError(f"matrix: {error}") from None


def expand(values: Mapping[str, Any], matrix: Matrix) -> Iterator[dict[str, Any]]:
    """The values of each picture: all alternatives from left to right, all of the matrix, all seeds of
    `count`.

    The last of these changes fastest. A row that has a value for a field of the matrix keeps its own.

    Raises:
        ValueError: there are more than `MAX_EXPANSION`, or `count` is invalid.
    """
    given = {name: value for name, value in values.items() if name != "count"}
    texts = [name for name in _TEXTS if isinstance(given.get(name), str)]
    num_pictures(values, matrix)
    choices = [alternatives(given[name]) for name in texts]
    axes = {name: options for name, options in matrix.items() if name not in given}
    count = values.get("count", 1)
    for chosen in product(*choices, *axes.values()):
        row = given | dict(zip([*texts, *axes], chosen, strict=True))
        for number in range(count):
            seed = row.get("seed", 0)
            yield row | {"seed": seed + number} if number and isinstance(seed, int) else dict(row)


def num_pictures(values: Mapping[str, Any], matrix: Matrix) -> int:
    """How many pictures a row stands for at most, since equal alternatives are counted too.

    Raises:
        ValueError: there are more than `MAX_EXPANSION`, or `count` is invalid.
    """
    count = values.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"count is {count!r}; must be a whole number from 1")
    numbers = [num_alternatives(values[name]) for name in _TEXTS if isinstance(values.get(name), str)]
    total = prod([count, *numbers, *(len(axis) for name, axis in matrix.items() if name not in values)])
    if total > MAX_EXPANSION:
        raise ValueError(f"stands for {shown(total)} pictures; at most {MAX_EXPANSION:,} in a row")
    return total
