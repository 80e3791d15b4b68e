"""What a field of a request holds: its type, its limits, and how text is read as its value."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from PIL import Image

from limelight.pipeline.errors import RequestError, UnknownName
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.input_image import InputImage, recall
from limelight.pipeline.requests.input_latents import InputLatents
from limelight.pipeline.requests.item import Edit
from limelight.pipeline.requests.schedulers import scheduler_name

MAX_PROMPT_CHARACTERS = 20_000

Record = bool | Literal["grid", "site", "head"]
SyntaxName = Literal["limelight", "a1111"]
Source = InputImage | Image.Image | str | PathLike[str]


class Value:
    """One type of value.

    Attributes:
        is_stored: whether a record holds the value; in place of a large one it holds the content hash.
        written: the type of an option on the command line, and of a field of the page's API.
        limits: what is allowed, for help texts; empty where nothing limits it.
    """

    is_stored: ClassVar[bool] = True
    written: ClassVar[type] = str
    limits: str = ""

    def check(self, name: str, value: Any) -> Any:
        """The value as a request keeps it. Opens no file.

        Raises:
            RequestError: it has another type or is out of its limits; the message names the field `name`.
        """
        raise NotImplementedError

    def read(self, name: str, value: Any) -> Any:
        """Reads the value of a manifest's cell or a control of the page; None if it is empty.

        Args:
            value: text, as in a csv file, or what JSON, parquet or a browser gave.

        Raises:
            ValueError: it is text that is no value of this type.
        """
        return value

    def open(self, name: str, value: Any) -> Any:
        """The value with its files read; the same object where it names none.

        Raises:
            RequestError: a file is not what it should be.
        """
        return value

    def within(self, folder: Path, value: Any) -> Any:
        """The value with its files looked for in `folder`."""
        return value

    def recall(self, name: str, stored: Any, given: Any) -> Any:
        """Checks a value that is given again against the hash in a record, and returns it.

        Raises:
            RequestError: nothing is given, or its hash differs.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Text(Value):
    """Text of at most `MAX_PROMPT_CHARACTERS`."""

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise RequestError(f"{name} is {value!r}; must be text")
        if len(value) > MAX_PROMPT_CHARACTERS:
            raise RequestError(f"{name} has {len(value):,} characters; at most {MAX_PROMPT_CHARACTERS:,}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise RequestError(
                f"{name} is not valid text: character {error.start} is a lone surrogate; remove it"
            ) from None
        return value


@dataclass(frozen=True)
class Whole(Value):
    """A whole number from `low` to `high`, a multiple of `step`."""

    written = int
    low: int
    high: int
    step: int = 1

    @property
    def limits(self) -> str:  # type: ignore[override]
        multiples = f", a multiple of {self.step}" if self.step > 1 else ""
        return f"{self.low} to {self.high}{multiples}"

    def check(self, name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise RequestError(f"{name} is {value!r}; must be a whole number")
        if not self.low <= value <= self.high:
            raise RequestError(f"{name} is {value}; must be from {self.low} to {self.high}")
        if value % self.step:
            nearest = max(1, (value + self.step // 2) // self.step) * self.step
            raise RequestError(
                f"{name} is {value}; must be a multiple of {self.step} ({nearest} is the nearest)"
            )
        return value

    def read(self, name: str, value: Any) -> Any:
        number = _number(name, value, "a whole number")
        if not isinstance(number, float):
            return number
        if math.isnan(number) and not isinstance(value, str):
            return None  # a table with gaps stores a whole number that is missing as NaN
        if number.is_integer():
            return int(number)
        if isinstance(value, str):
            raise ValueError(f"{name} is {value.strip()!r}; must be a whole number")
        return number


@dataclass(frozen=True)
class Number(Value):
    """A finite number from `low` to `high`."""

    written = float
    low: float
    high: float

    @property
    def limits(self) -> str:  # type: ignore[override]
        return f"{self.low:g} to {self.high:g}"

    def check(self, name: str, value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise RequestError(f"{name} is {value!r}; must be a finite number")
        if not self.low <= value <= self.high:
            raise RequestError(f"{name} is {value}; must be from {self.low:g} to {self.high:g}")
        return value

    def read(self, name: str, value: Any) -> Any:
        return _number(name, value, "a number")


def _number(name: str, value: Any, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return int(text) if re.fullmatch(r"[+-]?\d{1,30}", text) else float(text)
    except ValueError:
        raise ValueError(f"{name} is {text[:40]!r}; must be {kind}") from None


@dataclass(frozen=True)
class Detail(Value):
    """How finely maps are recorded: not at all, by grid, by site, or by head."""

    names: tuple[str, ...] = ("grid", "site", "head")

    def check(self, name: str, value: Any) -> Record:
        if value is True:
            return "grid"
        if value not in (False, *self.names):
            first, *others, last = map(repr, self.names)
            raise RequestError(f"{name} is {value!r}; must be False, {', '.join([first, *others])} or {last}")
        return value

    def read(self, name: str, value: Any) -> Any:
        is_switch = isinstance(value, str) and value.lower() in ("true", "false")
        return value.lower() == "true" if is_switch else value


@dataclass(frozen=True)
class Name(Value):
    """One of a few names."""

    kind: str
    names: tuple[str, ...]

    def check(self, name: str, value: Any) -> str:
        if value not in self.names:
            raise UnknownName(self.kind, str(value), self.names)
        return value


@dataclass(frozen=True)
class Syntax(Name):
    """How a prompt is read."""

    kind: str = "prompt syntax"
    names: tuple[str, ...] = get_args(SyntaxName)


@dataclass(frozen=True)
class Scheduler(Value):
    """A scheduler by our name or by AUTOMATIC1111's; kept by ours."""

    def check(self, name: str, value: Any) -> str:
        return scheduler_name(value)


@dataclass(frozen=True)
class ImageFile(Value):
    """An image: of PIL, already read, or a path, which `GenerationRequest.opened` reads.

    Args:
        mode: RGB, or L for a mask.
    """

    is_stored = False
    written = Path
    mode: str

    def check(self, name: str, value: Any) -> InputImage | Path:
        if isinstance(value, str | PathLike):
            return Path(value)
        return InputImage.read(name, value, self.mode)

    def open(self, name: str, value: Any) -> InputImage:
        return InputImage.read(name, value, self.mode)

    def within(self, folder: Path, value: Any) -> Any:
        return str(folder / value) if isinstance(value, str) else value

    def recall(self, name: str, stored: Any, given: Any) -> InputImage:
        return recall(name, stored, given, self.mode)


@dataclass(frozen=True)
class Items(Value):
    """Several values without repetition, as a tuple; a list is accepted, and JSON text in a manifest."""

    item: Value
    is_sorted: bool = False

    def check(self, name: str, value: Any) -> tuple[Any, ...]:
        items = dict.fromkeys(self.item.check(name, each) for each in sequence(name, value))
        return tuple(sorted(items) if self.is_sorted else items)

    def read(self, name: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(
                f"{name} is {value.strip()[:60]!r}; must be a list in JSON, such as [1, 2]"
            ) from None


def sequence(name: str, value: Any) -> Sequence[Any]:
    """The value, if it is a tuple or a list.

    Raises:
        RequestError: it is something else.
    """
    if not isinstance(value, list | tuple):
        raise RequestError(f"{name} is {value!r}; must be a tuple or a list")
    return value


@dataclass(frozen=True)
class Expanded(Value):
    """An `Expansion`, or one as it was stored."""

    def check(self, name: str, value: Any) -> Expansion:
        return Expansion.of(value)


def as_json(value: Any) -> Any:
    """A field's value as a JSON value; of an image its size and content hash."""
    if isinstance(value, InputImage | InputLatents | Expansion | Edit):
        return value.to_dict()
    return [as_json(each) for each in value] if isinstance(value, tuple) else value
