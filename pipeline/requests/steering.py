"""How a request steers attention: painted words, regions with prompts of their own, scaled heads."""

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar, TypeVar

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.places import Mask, Placed, place_of
from limelight.pipeline.segments import spelled, words_in

MAX_CHARACTERS = 20_000
MAX_STRENGTH = 1000.0
MAX_WEIGHT = 10.0
MAX_SCALE = 10.0
HANDS = ("loose", "firm", "both")

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
            return _switch(text, name, value)
        try:
            return float(value) if kinds[name] is float else value
        except ValueError:
            raise RequestError(f"{text!r}: {name} is {value!r}; must be a number") from None

    def to_dict(self) -> dict[str, Any]:
        """Its fields as JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: _json(value) for name, value in values.items() if value is not None}


_PLACED = re.compile(r"(?P<what>.+?)@(?P<place>[^@;]+)(?P<options>(;\s*\w+\s*=[^;]*)*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Painted(Placed, Edit):
    """A word of the prompt that shall be in one place.

    With the loose hand a position in the place attends to the word `strength` times as much as it would,
    compared with the other words; the strength falls linearly to 1 at `until`. With the firm hand the latent
    is changed before each step up to `until`, so that the word's map moves into the place.

    Args:
        word: as it stands in the prompt, or several words; all their occurrences.
        strength: above 1 the word is drawn to the place, below 1 it is kept out of it; 0.001 to 1000.
        until: the fraction of the steps at which the strength has fallen to 1, and leading ends.
        outside: whether positions outside the place attend to the word `strength` times less.
        hand: `loose`, `firm` or `both`.
    """

    form: ClassVar[str] = (
        "WORD@LEFT,TOP,RIGHT,BOTTOM or WORD@MASK.png, then ;strength=20 ;until=0.5 ;outside=no "
        ";hand=loose, firm or both"
    )
    pattern: ClassVar[re.Pattern[str]] = _PLACED

    word: str
    strength: float = 20.0
    until: float = 0.5
    outside: bool = True
    hand: str = "loose"

    def __post_init__(self) -> None:
        _check_text("a painted word", self.word)
        if not words_in(self.word):
            raise RequestError(f"a painted word is {self.word!r}; must be a word of the prompt")
        Placed.__post_init__(self)
        _check_number(f"the strength of {self.name}", self.strength, 1 / MAX_STRENGTH, MAX_STRENGTH)
        _check_number(f"until of {self.name}", self.until, 0.01, 1)
        _check_switch(f"outside of {self.name}", self.outside)
        if self.hand not in HANDS:
            raise RequestError(f"the hand of {self.name} is {self.hand!r}; must be {', '.join(HANDS)}")

    @property
    def is_loose(self) -> bool:
        return self.hand != "firm"

    @property
    def is_firm(self) -> bool:
        return self.hand != "loose"

    @property
    def name(self) -> str:
        return f"the painted word {self.word!r}"

    @property
    def nats(self) -> float:
        """The number added to the word's scores inside its place, at the first step."""
        return math.log(self.strength)

    @classmethod
    def read(cls, match: re.Match[str]) -> dict[str, Any]:
        return {"word": match["what"].strip(), **place_of(match["place"])}

    def check_prompt(self, prompt: str) -> None:
        """Raises RequestError unless the prompt has the word."""
        _check_words("paint", self.word, prompt)


@dataclass(frozen=True, slots=True)
class Region(Placed, Edit):
    """A part of the picture with a prompt of its own, added to the prompt of the whole.

    Args:
        weight: its share where regions overlap; 0.01 to 10.
        negative_prompt: what the region should not show; if empty, the request's own.
        word: of the request's prompt, in place of a box or a mask: the region is where its heat map is high.
        start: the fraction of the steps after which the word is located, and its region begins.
    """

    form: ClassVar[str] = (
        "PROMPT@LEFT,TOP,RIGHT,BOTTOM, PROMPT@MASK.png or PROMPT@word=WORD, then ;weight=1 "
        ";negative_prompt=TEXT, and with a word ;start=0.25"
    )
    pattern: ClassVar[re.Pattern[str]] = _PLACED

    prompt: str
    weight: float = 1.0
    negative_prompt: str = ""
    word: str = ""
    start: float = 0.25

    def __post_init__(self) -> None:
        _check_text("the prompt of a region", self.prompt)
        _check_text("the word of a region", self.word)
        _check_text("the negative_prompt of a region", self.negative_prompt)
        if not self.prompt.strip():
            raise RequestError("a region has no prompt; say what it shows, or leave the region out")
        _check_number(f"the start of {self.name}", self.start, 0.01, 0.99)
        if not self.word:
            Placed.__post_init__(self)
        elif self.box is not None or self.mask is not None:
            raise RequestError(f"{self.name} has a word and a box or a mask; give one place")
        _check_number(f"the weight of {self.name}", self.weight, 0.01, MAX_WEIGHT)

    @property
    def name(self) -> str:
        return f"the region {self.prompt[:40]!r}"

    @classmethod
    def read(cls, match: re.Match[str]) -> dict[str, Any]:
        _, is_word, word = match["place"].rpartition("word=")
        place = {"word": word.strip()} if is_word else place_of(match["place"])
        return {"prompt": match["what"].strip(), **place}

    def check_prompt(self, prompt: str) -> None:
        """Raises RequestError unless the prompt has the word."""
        if self.word:
            _check_words("regions", self.word, prompt)


@dataclass(frozen=True, slots=True)
class HeadScale(Edit):
    """Attention heads whose output is scaled in a part of the steps; 0 switches them off.

    Args:
        site: of the model's attention, or `self` or `cross` for all of a kind.
        head: from 0; None for all of the site.
        scale: 0 to 10.
        start, end: fractions of the steps.
        negative: whether the negative prompt's row is scaled too.
    """

    form: ClassVar[str] = "SITE=SCALE or SITE:HEAD=SCALE, then ;start=0 ;end=1 ;negative=no"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<site>[\w.]+)(:(?P<head>\d{1,6}))?=(?P<scale>[^;]+)(?P<options>(;\s*\w+\s*=[^;]*)*)"
    )

    site: str
    head: int | None = None
    scale: float = 0.0
    start: float = 0.0
    end: float = 1.0
    negative: bool = False

    def __post_init__(self) -> None:
        _check_text("the site of a head", self.site)
        if self.head is not None and (type(self.head) is not int or self.head < 0):
            raise RequestError(f"the head of {self.site} is {self.head!r}; must be a whole number from 0")
        _check_number(f"the scale of {self.site}", self.scale, 0, MAX_SCALE)
        for name, value in (("start", self.start), ("end", self.end)):
            _check_number(f"{name} of {self.site}", value, 0, 1)
        if self.start >= self.end:
            raise RequestError(
                f"{self.site} is scaled from {self.start} to {self.end}; start must be smaller"
            )
        _check_switch(f"negative of {self.site}", self.negative)

    @classmethod
    def read(cls, match: re.Match[str]) -> dict[str, Any]:
        head = None if match["head"] is None else int(match["head"])
        scale = cls.option(match[0], "scale", match["scale"].strip())
        return {"site": match["site"], "head": head, "scale": scale}

    def acts(self, progress: float) -> bool:
        return self.start <= progress < self.end


def _check_words(field: str, text: str, prompt: str) -> None:
    typed = words_in(prompt)
    known = {spelled(word): word for word in typed}
    for word in words_in(text):
        if spelled(word) not in known:
            near = [known[each] for each in get_close_matches(spelled(word), known, n=3, cutoff=0.5)]
            hint = f"did you mean {', '.join(near)}?" if near else f"its words are {', '.join(typed[:20])}"
            raise RequestError(f"{field} has {word!r}, which the prompt does not have; {hint}")


def _switch(text: str, name: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise RequestError(f"{text!r}: {name} is {value!r}; must be yes or no")
    return value == "yes"


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise RequestError(f"{name} is {value!r}; must be text")
    if len(value) > MAX_CHARACTERS:
        raise RequestError(f"{name} has {len(value):,} characters; at most {MAX_CHARACTERS:,}")


def _check_switch(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise RequestError(f"{name} is {value!r}; must be True or False")


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise RequestError(f"{name} is {value!r}; must be a finite number")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; must be from {low:g} to {high:g}")


def _json(value: Any) -> Any:
    if isinstance(value, Mask):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value
