"""The words of the describer: whole words, each one token, in groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limelight.pipeline.errors import ModelError

PAD, DESCRIBE, ASK, END = "<pad>", "<describe>", "<ask>", "<end>"
SPECIAL = (PAD, DESCRIBE, ASK, END)
SOMETHING = "something"  # a thing that has no word here
NUMBERS = ("zero", "one", "two", "three", "four")
SIZES = ("small", "big")
THINGS = "things"


@dataclass(frozen=True, slots=True)
class Words:
    """Tokens and groups of words.

    Attributes:
        tokens: all, in the order of their ids.
        nouns: singular -> plural.
        colours: of things.
        grounds: colours of backgrounds.
    """

    tokens: tuple[str, ...]
    nouns: Mapping[str, str]
    colours: tuple[str, ...]
    grounds: tuple[str, ...]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Words":
        """Reads what `to_dict` wrote.

        Raises:
            ModelError: a part is missing or of another kind.
        """
        try:
            return cls(
                tuple(map(str, stored["tokens"])),
                {str(one): str(many) for one, many in dict(stored["nouns"]).items()},
                tuple(map(str, stored["colours"])),
                tuple(map(str, stored["grounds"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the words of the describer cannot be read: {error!r}") from None

    def to_dict(self) -> dict[str, Any]:
        return {
            "tokens": list(self.tokens),
            "nouns": dict(self.nouns),
            "colours": list(self.colours),
            "grounds": list(self.grounds),
        }

    def ids(self, words: Sequence[str]) -> list[int]:
        """The ids of words.

        Raises:
            KeyError: a word has no token.
        """
        known = {word: index for index, word in enumerate(self.tokens)}
        return [known[word] for word in words]


def article(word: str) -> str:
    return "an" if word[:1] in tuple("aeiou") else "a"


def joined(words: Sequence[str]) -> str:
    """Words as a sentence: a space between them, none in front of a comma or a question mark."""
    return " ".join(words).replace(" ,", ",").replace(" ?", "?")
