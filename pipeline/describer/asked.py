"""Questions in the describer's own wording, and the parts of typed ones looked up in its vocabulary."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.vocabulary import Words

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a question in the describer's wording, and the characters that it stands for; none for a word
    that the typed question leaves out."""

    word: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question in the describer's wording."""

    tokens: tuple[Token, ...]


SIDES: Mapping[str, tuple[str, ...]] = {
    "left": ("on left side of", "on left of", "to left of", "left of"),
    "right": ("on right side of", "on right of", "to right of", "right of"),
    "above": ("on top of", "above", "over", "on"),
    "below": ("below", "underneath", "under", "beneath"),
    "next": ("next to", "beside", "near"),
}
BEFORE: Mapping[str, tuple[str, ...]] = {"front": ("in",)}
AFTER: Mapping[str, tuple[str, ...]] = {"left": ("of",), "right": ("of",), "next": ("to",), "front": ("of",)}
DEPTHS: Mapping[str, tuple[str, ...]] = {"front": ("in front of",), "behind": ("behind",)}


def sides_of(words: Words) -> Mapping[str, tuple[str, ...]]:
    """The sides of a thing that the describer knows, each with its phrases without articles."""
    return {**SIDES, **{side: phrases for side, phrases in DEPTHS.items() if side in words.relations}}


class Reading:
    """A question that fits a pattern: its parts, looked up."""

    def __init__(self, match: re.Match[str], text: str, spans: list[Span], words: Words) -> None:
        self.match, self.text, self.spans, self.words = match, text, spans, words
        self.singular = {many: one for one, many in words.nouns.items()} | {one: one for one in words.nouns}

    def said(self, group: str) -> list[Token]:
        """The words of a group with the places where they were typed."""
        start, end = self.match.span(group)
        first = len(self.text[:start].split())
        said = self.text[start:end].split()
        return [Token(word, self.spans[first + at]) for at, word in enumerate(said)]

    def thing(self, group: str) -> list[Token]:
        """A phrase of colours or materials and a noun, in the singular.

        Raises:
            NotAQuestion: a word is not known.
        """
        *before, last = self.said(group)
        noun = self.singular.get(last.word)
        if noun is None:
            raise NotAQuestion(self._unknown(last.word, list(self.singular), "things"))
        for token in before:
            self._check_look(token)
        return [*before, Token(noun, last.span)]

    def look(self, group: str) -> Token:
        (token,) = self.said(group)
        self._check_look(token)
        return token

    def side(self, group: str) -> list[Token]:
        said = self.said(group)
        plain = " ".join(token.word for token in said)
        side = next(side for side, phrases in sides_of(self.words).items() if plain in phrases)
        span = (said[0].span or (0, 0))[0], (said[-1].span or (0, 0))[1]
        return [*map(Token, BEFORE.get(side, ())), Token(side, span), *map(Token, AFTER.get(side, ()))]

    def _check_look(self, token: Token) -> None:
        if token.word not in self.words.looks:
            kind = "colours and materials" if self.words.materials else "colours"
            raise NotAQuestion(self._unknown(token.word, list(self.words.looks), f"{kind} of things"))

    def _unknown(self, word: str, known: list[str], kind: str) -> str:
        near = get_close_matches(word, known, n=3, cutoff=0.6)
        named = self.words.nouns if kind == "things" else known
        hint = f"near: {', '.join(near)}" if near else f"{kind} that it knows: {', '.join(named)}"
        return f"the describer does not know {word!r}; {hint}"
