"""Known words that are near in meaning to words that a small model does not know, from a file in its
folder."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limelight.files import UnreadableFile, read_json
from limelight.pipeline.errors import ModelError
from limelight.pipeline.segments import spelled, words_in
from limelight.pipeline.text.lemmas import lemma

FILE = "near.json"
LONGEST = 3  # words of a phrase that is looked up
_LOOKS = ("\ufe0e", "\ufe0f", *map(chr, range(0x1F3FB, 0x1F400)))  # how an emoji is drawn, its skin tone


@dataclass(frozen=True, slots=True)
class Offer:
    """A word or phrase that the model does not know, as typed, and what it knows instead.

    Attributes:
        words: known words or phrases, the nearest first; empty where nothing is near.
        is_kind: whether they are examples of what was typed ("animal"), and not other words for it.
    """

    typed: str
    words: tuple[str, ...]
    is_kind: bool = False

    def __str__(self) -> str:
        return " ".join(filter(None, (quoted(self.typed), self.instead)))

    @property
    def instead(self) -> str:
        """What the model knows instead, in brackets; empty where nothing is near."""
        if not self.words:
            return ""
        return f"({'for example' if self.is_kind else 'near'}: {', '.join(self.words)})"


@dataclass(frozen=True, slots=True)
class Near:
    """Words and phrases that the model does not know -> those that it knows.

    Attributes:
        words: to near words.
        kinds: names of kinds, such as `animal`, to examples.
        emoji: to the word or phrase for what they show.
    """

    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    emoji: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path, known: Collection[str]) -> "Near":
        """Reads the file in a model's folder; empty if there is none.

        Args:
            known: spelled words; what has others is left out.

        Raises:
            ModelError: the file is invalid.
        """
        path = folder / FILE
        try:
            stored = read_json(path)
        except FileNotFoundError:
            return cls()
        except UnreadableFile as error:
            raise ModelError(str(error)) from None
        found: dict[str, Any] = {"emoji": {}} | (stored if isinstance(stored, dict) else {})
        tables: list[Any] = [
            found.get(name) for name in ("words", "kinds", "emoji")
        ]  # the first tables had no emoji
        if not all(isinstance(table, dict) for table in tables):
            raise ModelError(
                f"{path} is no table of near words: needs the objects `words`, `kinds` and `emoji`"
            )
        return cls(*(_known(path, table, known) for table in tables))

    def find(self, typed: str) -> Offer:
        """The entry of a word or a phrase, in any case, number and spelling (British or American), or of
        an emoji of any skin tone."""
        for key in dict.fromkeys((_plain(typed), lemmas(typed))):
            for table in (self.emoji, self.words, self.kinds):
                if key in table:
                    return Offer(typed, table[key], is_kind=table is self.kinds)
        return Offer(typed, ())

    def shown(self, emoji: str) -> str | None:
        """The word or phrase for what an emoji shows; None if there is none, or only near ones."""
        return next(iter(self.emoji.get(_plain(emoji), ())), None)

    def phrase(self, words: Sequence[str], at: int) -> range:
        """The places of the longest phrase that has entries and contains the word at `at`; else of the word
        alone."""
        for length in range(LONGEST, 1, -1):
            for start in range(max(0, at - length + 1), at + 1):
                if start + length <= len(words) and self.find(" ".join(words[start : start + length])).words:
                    return range(start, start + length)
        return range(at, at + 1)


def quoted(words: str) -> str:
    """Words in quotation marks as `repr` has them, but without its escapes within joined emoji."""
    mark = '"' if "'" in words else "'"
    return f"{mark}{words}{mark}"


def lemmas(text: str) -> str:
    """The lemmas of its words, with spaces between."""
    return " ".join(lemma(word) for word in words_in(_plain(text)))


def _plain(text: str) -> str:
    folded = spelled(text)
    return "".join(c for c in folded if c not in _LOOKS)


def _known(path: Path, stored: Mapping[str, Any], known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The entries under their own spelling and under their lemmas, which go after all others."""
    table: dict[str, tuple[str, ...]] = {}
    for key, offers in stored.items():
        if not isinstance(offers, list) or not all(isinstance(offer, str) for offer in offers):
            raise ModelError(f"{path} is no table of near words: {key[:40]!r} needs a list of words")
        kept = [o for o in offers if o and all(spelled(word) in known for word in words_in(o))]
        if kept:
            table[_plain(key)] = tuple(kept)
    return {lemmas(key): offers for key, offers in table.items()} | table
