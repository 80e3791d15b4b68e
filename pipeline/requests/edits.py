"""The values of fields that change how a U-Net computes: painted words, regions, heads, factors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.item import Edit
from limelight.pipeline.requests.places import Placed
from limelight.pipeline.requests.values import Number, Text, Value, sequence
from limelight.pipeline.segments import words_in


@dataclass(frozen=True)
class Factors(Value):
    """Several numbers from `low` to `high`, each with a name; as text with commas between them."""

    names: tuple[str, ...]
    low: float
    high: float

    @property
    def limits(self) -> str:  # type: ignore[override]
        return f"write {','.join(self.names)}, each {self.low:g} to {self.high:g}"

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        items = sequence(name, value.split(",") if isinstance(value, str) else value)
        if len(items) != len(self.names):
            raise RequestError(f"{name} has {len(items)} numbers; {self.limits}")
        number = Number(self.low, self.high)
        try:
            read = [number.read(name, each) for each in items]
        except ValueError as error:
            raise RequestError(f"{error}; {self.limits}") from None
        named = zip(self.names, read, strict=True)
        return tuple(float(number.check(f"{each} of {name}", value)) for each, value in named)


@dataclass(frozen=True)
class Edits(Value):
    """A tuple of edits of attention. Each may be given as text, in the form of the command line.

    Args:
        kind: the class of the edits.
        most: the largest number of edits.
    """

    written = list[str]
    kind: type[Edit]
    most: int

    @property
    def limits(self) -> str:  # type: ignore[override]
        return f"write {self.kind.form}; may be repeated"

    def check(self, name: str, value: Any) -> tuple[Edit, ...]:
        items = sequence(name, [value] if isinstance(value, str | Edit) else value)
        if len(items) > self.most:
            raise RequestError(f"{name} has {len(items):,}; at most {self.most}")
        return tuple(dict.fromkeys(map(self.kind.of, items)))

    def read(self, name: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not value.lstrip().startswith("["):
            return value.split("|")
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(
                f"{name} is {value.strip()[:60]!r}; must be a list in JSON, or, with | between several, "
                f"{self.kind.form}"
            ) from None

    def open(self, name: str, value: Any) -> Any:
        opened = tuple(each.opened() if isinstance(each, Placed) else each for each in value)
        return value if all(one is other for one, other in zip(opened, value, strict=True)) else opened

    def within(self, folder: Path, value: Any) -> Any:
        return tuple(
            each.within(folder) if isinstance(each, Placed) else each for each in self.check("", value)
        )


@dataclass(frozen=True)
class Scales(Edits):
    """Words, each with a factor; also as a mapping, such as {"red": 3}."""

    def check(self, name: str, value: Any) -> tuple[Edit, ...]:
        if isinstance(value, Mapping):
            value = [{"word": word, "scale": scale} for word, scale in value.items()]
        return super().check(name, value)

    def read(self, name: str, value: Any) -> Any:
        is_mapping = isinstance(value, str) and value.lstrip().startswith("{")
        try:
            return json.loads(value) if is_mapping else super().read(name, value)
        except json.JSONDecodeError:
            raise ValueError(f'{name} is {value.strip()[:60]!r}; must be {{"WORD": SCALE}} in JSON') from None


@dataclass(frozen=True)
class Words(Value):
    """Words of a prompt, as a tuple; as text with | between them.

    Args:
        most: how many there may be.
    """

    written = list[str]
    most: int

    @property
    def limits(self) -> str:  # type: ignore[override]
        return "may be repeated"

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        items = sequence(name, value.split("|") if isinstance(value, str) else value)
        if len(items) > self.most:
            raise RequestError(f"{name} has {len(items):,}; at most {self.most}")
        found = tuple(dict.fromkeys(Text().check(name, each).strip() for each in items))
        if empty := [each for each in found if not words_in(each)]:
            raise RequestError(f"{name} has {empty[0]!r}; must be words of a prompt")
        return found
