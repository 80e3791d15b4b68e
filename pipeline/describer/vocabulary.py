"""The words of the describer: whole words, each one token, in groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limelight.pipeline.errors import ModelError

PAD, DESCRIBE, ASK, END = "<pad>", "<describe>", "<ask>", "<end>"
SPECIAL = (PAD, DESCRIBE, ASK, END)
SOMETHING = "something"  # a thing that has no word here
NUMBERS = ("zero", "one", "two", "three", "four", "five")
SIZES = ("small", "big")
THINGS = "things"
PHRASES = ("materials", "places", "times", "weathers", "styles")
LISTS = ("poses", "relations", "bare")


@dataclass(frozen=True, slots=True)
class Words:
    """Tokens and groups of words. A world need not have the groups after `grounds`.

    Attributes:
        tokens: all, in the order of their ids.
        nouns: singular -> plural.
        colours: of things.
        grounds: colours of backgrounds.
        materials: word -> what a thing is made of ("golden" -> "gold").
        places, times, weathers, styles: word -> the phrase of a caption ("beach" -> "on a beach"); the phrase
            is empty for what captions do not say.
        poses: as they stand in front of a noun.
        relations: that a caption says in addition to left and above.
        bare: nouns without an article.
    """

    tokens: tuple[str, ...]
    nouns: Mapping[str, str]
    colours: tuple[str, ...]
    grounds: tuple[str, ...]
    materials: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    times: Mapping[str, str] = field(default_factory=dict)
    weathers: Mapping[str, str] = field(default_factory=dict)
    styles: Mapping[str, str] = field(default_factory=dict)
    poses: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Words":
        """Reads what `to_dict` wrote.

        Raises:
            ModelError: a part is missing or of another kind.
        """
        try:
            more: dict[str, Any] = {name: _pairs(stored.get(name, {})) for name in PHRASES}
            more |= {name: tuple(map(str, stored.get(name, ()))) for name in LISTS}
            return cls(
                tuple(map(str, stored["tokens"])),
                _pairs(stored["nouns"]),
                tuple(map(str, stored["colours"])),
                tuple(map(str, stored["grounds"])),
                **more,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the words of the describer cannot be read: {error!r}") from None

    def to_dict(self) -> dict[str, Any]:
        return {
            "tokens": list(self.tokens),
            "nouns": dict(self.nouns),
            "colours": list(self.colours),
            "grounds": list(self.grounds),
            **{name: dict(group) for name in PHRASES if (group := getattr(self, name))},
            **{name: list(group) for name in LISTS if (group := getattr(self, name))},
        }

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers from zero on that it has words for."""
        return tuple(number for number in NUMBERS if number in self.tokens)

    @property
    def looks(self) -> tuple[str, ...]:
        """What a thing may look like: colours and materials."""
        return (*self.colours, *self.materials)

    def ids(self, words: Sequence[str]) -> list[int]:
        """The ids of words.

        Raises:
            KeyError: a word has no token.
        """
        known = {word: index for index, word in enumerate(self.tokens)}
        return [known[word] for word in words]


def _pairs(stored: Any) -> dict[str, str]:
    return {str(one): str(other) for one, other in dict(stored).items()}


def article(word: str) -> str:
    is_spoken_as_you = word.startswith(("uni", "ufo"))
    return "an" if word[:1] in tuple("aeiou") and not is_spoken_as_you else "a"


def joined(words: Sequence[str]) -> str:
    """Words as a sentence: a space between them, none in front of a comma or a question mark."""
    return " ".join(words).replace(" ,", ",").replace(" ?", "?")
