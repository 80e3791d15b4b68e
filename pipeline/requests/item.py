"""An item of a field that changes attention, and what its parts must be."""

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.places import Mask
from limelight.pipeline.segments import spelled, words_in

MAX_CHARACTERS = 20_000

S = TypeVar("S", bound="Edit")


class Edit:
    """One item of a field that steers attention; as text `WHAT@PLACE;OPTION=VALUE;...`, with the options
    named as in Python."""

    __slots__ = ()
    form: ClassVar[str]
    pattern: ClassVar[re.Pattern[str]]

    @classmethod
    def of(cls: type[S], value: Any) -> S:
        """Makes an item of its stored form or of its text; returns an item as it is.

        Raises:
            RequestError: the value is none of these, or a part of it is out of its limits.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(**cls.parsed(value))
        if not isinstance(value, Mapping):
            raise RequestError(f"{value!r} is no {cls.__name__}; write {cls.form}")
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]  # each is a dataclass
        if unknown := [name for name in value if name not in known]:
            raise RequestError(f"{cls.__name__} has no {unknown[0]!r}; it has {', '.join(known)}")
        needed = [field.name for field in fields(cls) if field.default is MISSING]  # type: ignore[arg-type]
        if missing := [name for name in needed if name not in value]:
            raise RequestError(f"{cls.__name__} needs {missing[0]}")
        return cls(**value)

    @classmethod
    def parsed(cls, text: str) -> dict[str, Any]:
        """The arguments that a text stands for.

        Raises:
            RequestError: it does not parse.
        """
        match = cls.pattern.fullmatch(text.strip())
        if match is None:
            raise RequestError(f"{text!r} cannot be read; write {cls.form}")
        found = cls.read(match)
        for option in match["options"].split(";")[1:]:
            name, _, value = option.partition("=")
            found[name.strip()] = cls.option(text, name.strip(), value.strip())
        return found

    @classmethod
    def read(cls, match: re.Match[str]) -> dict[str, Any]:
        """The arguments before the options."""
        raise NotImplementedError

    @classmethod
    def option(cls, text: str, name: str, value: str) -> Any:
        kinds = {field.name: field.type for field in fields(cls)}  # type: ignore[arg-type]
        if name not in kinds:
            raise RequestError(f"{text!r} has an option {name!r}; write {cls.form}")
        if kinds[name] is bool:
            return read_switch(text, name, value)
        try:
            return float(value) if kinds[name] is float else value
        except ValueError:
            raise RequestError(f"{text!r}: {name} is {value!r}; must be a number") from None

    def to_dict(self) -> dict[str, Any]:
        """Its fields as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: _json(value) for name, value in values.items() if value is not None}


def check_words(field: str, text: str, prompt: str) -> None:
    typed = words_in(prompt)
    known = {spelled(word): word for word in typed}
    for word in words_in(text):
        if spelled(word) not in known:
            near = [known[each] for each in get_close_matches(spelled(word), known, n=3, cutoff=0.5)]
            hint = f"did you mean {', '.join(near)}?" if near else f"its words are {', '.join(typed[:20])}"
            raise RequestError(f"{field} has {word!r}, which the prompt does not have; {hint}")


def read_switch(text: str, name: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise RequestError(f"{text!r}: {name} is {value!r}; must be yes or no")
    return value == "yes"


def check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise RequestError(f"{name} is {value!r}; must be text")
    if len(value) > MAX_CHARACTERS:
        raise RequestError(f"{name} has {len(value):,} characters; at most {MAX_CHARACTERS:,}")


def check_switch(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise RequestError(f"{name} is {value!r}; must be True or False")


def check_number(name: str, value: Any, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise RequestError(f"{name} is {value!r}; must be a finite number")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; must be from {low:g} to {high:g}")


def _json(value: Any) -> Any:
    if isinstance(value, Mask):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value
