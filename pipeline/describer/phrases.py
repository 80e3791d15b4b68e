"""The words of a typed question in one spelling each, and its things, colours and sides as the describer says
them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.vocabulary import SIZES, THINGS, Words

EXAMPLES = (
    "is there a red apple?",
    "how many stars are there?",
    "what is left of the car?",
    "what colour is the car?",
    "where is the cat?",
    "is the apple left of the car?",
    "what is there?",
)
MORE_EXAMPLES: Mapping[str, str] = {  # by the group of words that they need
    "materials": "what is the car made of?",
    "places": "where is this?",
    "times": "is it night?",
    "weathers": "what is the weather?",
}
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a question in the describer's wording, and the characters that it stands for; none for a word
    that the typed question leaves out."""

    word: str
    span: Span | None = None


SIDES: Mapping[str, tuple[str, ...]] = {
    "left": ("on left side of", "on left of", "to left of", "left of"),
    "right": ("on right side of", "on right of", "to right of", "right of"),
    "above": ("on top of", "above", "over", "on"),
    "below": ("below", "underneath", "under", "beneath"),
    "next": ("next to", "beside", "near"),
}
DEPTHS: Mapping[str, tuple[str, ...]] = {"front": ("in front of",), "behind": ("behind",)}
BEFORE: Mapping[str, tuple[str, ...]] = {"front": ("in",)}
AFTER: Mapping[str, tuple[str, ...]] = {"left": ("of",), "right": ("of",), "next": ("to",), "front": ("of",)}


def sides_of(words: Words) -> Mapping[str, tuple[str, ...]]:
    """The sides of a thing that the describer knows, each with its phrases without articles."""
    return {**SIDES, **{side: phrases for side, phrases in DEPTHS.items() if side in words.relations}}


def examples(words: Words) -> str:
    """A question of each kind that the describer knows."""
    more = [example for group, example in MORE_EXAMPLES.items() if getattr(words, group)]
    return ", ".join(f'"{example}"' for example in (*EXAMPLES, *more))


SILENT = ("please", "the", "a", "an", "any", "some", "this", "that", "these", "those", "so", "now")
PLACES = ("left", "right", "top", "bottom", "middle", "side")
NO_THINGS = (*PLACES, "it", "there", "here", "anything", "something")
NEGATIONS = ("no", "not", "without", "isn", "aren", "doesn", "don")
SPELLED: Mapping[str, str] = {
    "color": "colour",
    "colors": "colour",
    "colours": "colour",
    "grey": "gray",
    "s": "is",
    "photo": "picture",
    "items": "things",
    "objects": "things",
    "whats": "what is",
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    **{word: str(number) for number, word in enumerate("five six seven eight nine ten".split(), 5)},
}


def plain(typed: Sequence[str], spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """The words with one spelling each, without those that say nothing."""
    kept = []
    for at, (word, span) in enumerate(zip(typed, spans, strict=True)):
        if word in ("this", "that", "these", "those") and _stands_alone(typed, at):
            kept.append(("it", span))
        elif word not in SILENT and not (word == "and" and not kept):
            kept.append((SPELLED.get(word, word), span))
    return " ".join(word for word, _ in kept), [span for word, span in kept for _ in word.split()]


def _stands_alone(typed: Sequence[str], at: int) -> bool:
    """Whether "this" stands for a thing, as in "what is this?" and "is this an apple?"."""
    after = typed[at + 1] if at + 1 < len(typed) else ""
    return at > 0 and typed[at - 1] in ("is", "are", "s", "whats") and after in ("", "a", "an")


class Phrases:
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
        """A phrase of a colour or a material and a noun, in the singular.

        Raises:
            NotAQuestion: a word is not known.
        """
        *before, last = self.said(group)
        if last.word in NO_THINGS:
            raise NotAQuestion(
                f"the describer cannot read this question; ask for example: {examples(self.words)}"
            )
        noun = self.singular.get(last.word)
        if noun is None:
            raise NotAQuestion(self._unknown(last.word, list(self.singular), "things"))
        for token in before:
            self._check_look(token.word)
        return [*before, Token(noun, last.span)]

    def look(self, group: str) -> Token:
        (token,) = self.said(group)
        self._check_look(token.word)
        return token

    def _check_look(self, word: str) -> None:
        kind = "colours and materials" if self.words.materials else "colours"
        self._check_colour(word, self.words.looks, f"{kind} of things")

    def ground(self, group: str) -> Token:
        (token,) = self.said(group)
        self._check_colour(token.word, self.words.grounds, "colours of backgrounds")
        return token

    def number(self) -> Token:
        (token,) = self.said("number")
        names = {str(number): name for number, name in enumerate(self.words.numbers)}
        word = names.get(token.word, token.word)
        if word not in self.words.numbers[1:]:
            last = self.words.numbers[-1]
            raise NotAQuestion(f"{token.word} are asked for; the describer counts from one to {last}")
        return Token(word, token.span)

    def many(self, group: str) -> list[Token]:
        """`thing` in the plural; things of any kind are "things"."""
        *before, last = self.said(group)
        if last.word == THINGS and not before:
            return [last]
        *before, last = self.thing(group)
        return [*before, Token(self.words.nouns[last.word], last.span)]

    def _check_colour(self, word: str, known: Sequence[str], kind: str) -> None:
        if word in SIZES:
            raise NotAQuestion("no question about sizes is read; what is small or big is in the description")
        if word not in known:
            raise NotAQuestion(self._unknown(word, list(known), kind))

    def side(self, group: str) -> list[Token]:
        said = self.said(group)
        plain = " ".join(token.word for token in said)
        side = next(side for side, phrases in sides_of(self.words).items() if plain in phrases)
        span = (said[0].span or (0, 0))[0], (said[-1].span or (0, 0))[1]
        return [*map(Token, BEFORE.get(side, ())), Token(side, span), *map(Token, AFTER.get(side, ()))]

    def _unknown(self, word: str, known: list[str], kind: str) -> str:
        near = get_close_matches(word, known, n=3, cutoff=0.6)
        named = self.words.nouns if kind == "things" else known
        hint = f"near: {', '.join(near)}" if near else f"{kind} that it knows: {', '.join(named)}"
        return f"the describer does not know {word!r}; {hint}"
