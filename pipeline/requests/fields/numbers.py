"""Values of several numbers: noise levels or timesteps in a row, the two sides of a size, a pixel."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.values import Number, Value, Whole, sequence

_BETWEEN = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class Falling(Value):
    """Numbers, each smaller than the one before, as a tuple; text has commas between them."""

    item: Whole | Number
    most: int

    @property
    def limits(self) -> str:  # type: ignore[override]
        return f"each smaller than the one before, {self.item.limits}, such as 999,850,24"

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        if isinstance(value, str):
            value = _parsed(name, self.item, value)
        elif hasattr(value, "tolist"):  # an array of numpy, or a tensor
            value = value.tolist()
        numbers = sequence(name, value)
        if len(numbers) > self.most:
            raise RequestError(f"{name} has {len(numbers):,} numbers; at most {self.most:,}")
        checked = tuple(self.item.check(f"number {i + 1} of {name}", each) for i, each in enumerate(numbers))
        for i, (before, after) in enumerate(pairwise(checked)):
            if after >= before:
                raise RequestError(
                    f"number {i + 2} of {name} is {after:g}, after {before:g}; each must be smaller than the "
                    "one before"
                )
        return checked

    def read(self, name: str, value: Any) -> Any:
        return _parsed(name, self.item, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Pair(Value):
    """Two whole numbers, as a tuple; text has a comma between them.

    Args:
        first, second: names of the two numbers, for messages.
    """

    written = tuple[int, int]
    item: Whole
    first: str
    second: str

    @property
    def limits(self) -> str:  # type: ignore[override]
        return f"{self.first} and {self.second}, each {self.item.limits}"

    def check(self, name: str, value: Any) -> tuple[int, int]:
        pair = tuple(sequence(name, value))
        if len(pair) != 2:
            raise RequestError(f"{name} is {value!r}; must be ({self.first}, {self.second})")
        names = (f"{self.first} of {name}", f"{self.second} of {name}")
        first, second = (self.item.check(each, side) for each, side in zip(names, pair, strict=True))
        return first, second

    def read(self, name: str, value: Any) -> Any:
        return _parsed(name, self.item, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Point(Value):
    """A pixel (x, y)."""

    def check(self, name: str, value: Any) -> tuple[int, ...]:
        point = tuple(sequence(name, value))
        if len(point) != 2:
            raise RequestError(f"{name} has {point!r}; a point is (x, y)")
        side = Whole(0, 2**20 - 1)
        return tuple(side.check(f"{axis} of a point", each) for axis, each in zip("xy", point, strict=True))


def _parsed(name: str, item: Whole | Number, text: str) -> list[Any]:
    """The numbers in a text, with or without the brackets of a list."""
    inside = text.strip().removeprefix("[").removesuffix("]").strip(" ,")
    try:
        return [item.read(name, each) for each in _BETWEEN.split(inside)] if inside else []
    except ValueError:
        raise RequestError(f"{name} is {text.strip()[:60]!r}; must be numbers with commas between") from None
