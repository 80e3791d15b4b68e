"""How a request steers attention: painted and scaled words, regions with prompts of their own, heads."""

import math
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.item import Edit, check_number, check_switch, check_text, check_words
from limelight.pipeline.requests.places import Placed, place_of
from limelight.pipeline.segments import words_in

MAX_STRENGTH = 1000.0
MAX_WEIGHT = 10.0
MAX_SCALE = 10.0
HANDS = ("loose", "firm", "both")


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
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<what>.+?)@(?P<place>[^@;]+)(?P<options>(;\s*\w+\s*=[^;]*)*)", re.DOTALL
    )

    word: str
    strength: float = 20.0
    until: float = 0.5
    outside: bool = True
    hand: str = "loose"

    def __post_init__(self) -> None:
        check_text("a painted word", self.word)
        if not words_in(self.word):
            raise RequestError(f"a painted word is {self.word!r}; must be a word of the prompt")
        Placed.__post_init__(self)
        check_number(f"the strength of {self.name}", self.strength, 1 / MAX_STRENGTH, MAX_STRENGTH)
        check_number(f"until of {self.name}", self.until, 0.01, 1)
        check_switch(f"outside of {self.name}", self.outside)
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
        check_words("paint", self.word, prompt)


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
    pattern: ClassVar[re.Pattern[str]] = Painted.pattern

    prompt: str
    weight: float = 1.0
    negative_prompt: str = ""
    word: str = ""
    start: float = 0.25

    def __post_init__(self) -> None:
        check_text("the prompt of a region", self.prompt)
        check_text("the word of a region", self.word)
        check_text("the negative_prompt of a region", self.negative_prompt)
        if not self.prompt.strip():
            raise RequestError("a region has no prompt; say what it shows, or leave the region out")
        check_number(f"the start of {self.name}", self.start, 0.01, 0.99)
        if not self.word:
            Placed.__post_init__(self)
        elif self.box is not None or self.mask is not None:
            raise RequestError(f"{self.name} has a word and a box or a mask; give one place")
        check_number(f"the weight of {self.name}", self.weight, 0.01, MAX_WEIGHT)

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
            check_words("regions", self.word, prompt)


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
        check_text("the site of a head", self.site)
        if self.head is not None and (type(self.head) is not int or self.head < 0):
            raise RequestError(f"the head of {self.site} is {self.head!r}; must be a whole number from 0")
        check_number(f"the scale of {self.site}", self.scale, 0, MAX_SCALE)
        for name, value in (("start", self.start), ("end", self.end)):
            check_number(f"{name} of {self.site}", value, 0, 1)
        if self.start >= self.end:
            raise RequestError(
                f"{self.site} is scaled from {self.start} to {self.end}; start must be smaller"
            )
        check_switch(f"negative of {self.site}", self.negative)

    @classmethod
    def read(cls, match: re.Match[str]) -> dict[str, Any]:
        head = None if match["head"] is None else int(match["head"])
        scale = cls.option(match[0], "scale", match["scale"].strip())
        return {"site": match["site"], "head": head, "scale": scale}

    def acts(self, progress: float) -> bool:
        return self.start <= progress < self.end


@dataclass(frozen=True, slots=True)
class WordScale(Edit):
    """A word of the prompt whose attention is multiplied wherever the picture looks at it.

    The probabilities of the word's tokens are multiplied at every cross-attention site, in every step, and
    those of a position are not made to sum to 1 again: the other words keep what they have.

    Args:
        word: as it stands in the prompt, or several words; all their occurrences.
        scale: -10 to 10; 1 changes nothing, 0 takes the word away, below 0 the picture turns from it.

    Source: Hertz et al. 2022, arXiv:2208.01626, section 3.2, attention re-weighting.
    """

    form: ClassVar[str] = "WORD=SCALE"
    pattern: ClassVar[re.Pattern[str]] = re.compile(
        r"(?P<word>.+?)=(?P<scale>[^=;]+)(?P<options>)", re.DOTALL
    )

    word: str
    scale: float

    def __post_init__(self) -> None:
        check_text("a scaled word", self.word)
        if not words_in(self.word):
            raise RequestError(f"a scaled word is {self.word!r}; must be a word of the prompt")
        check_number(f"the scale of the word {self.word!r}", self.scale, -MAX_SCALE, MAX_SCALE)

    @classmethod
    def read(cls, match: re.Match[str]) -> dict[str, Any]:
        word = match["word"].strip()
        return {"word": word, "scale": cls.option(match[0], "scale", match["scale"].strip())}

    def check_prompt(self, prompt: str) -> None:
        """Raises RequestError unless the prompt has the word."""
        check_words("scale_words", self.word, prompt)
