"""Questions as people type them, read into the describer's own wording of each kind."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.vocabulary import Words, article

MAX_CHARACTERS = 300
EXAMPLES = (
    "is there a red apple?",
    "how many stars are there?",
    "what is left of the car?",
    "what colour is the car?",
    "where is the cat?",
    "is the apple left of the car?",
    "what is there?",
)
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


SIDES = {
    "left": ("on left side of", "on left of", "to left of", "left of"),
    "right": ("on right side of", "on right of", "to right of", "right of"),
    "above": ("on top of", "above", "over", "on"),
    "below": ("below", "underneath", "under", "beneath"),
    "next": ("next to", "beside", "near"),
}
_SIDE = "(?P<side>" + "|".join(phrase for phrases in SIDES.values() for phrase in phrases) + ")"
_THING, _OTHER = (f"(?P<{group}>[a-z]+(?: [a-z]+)??)" for group in ("thing", "other"))
_COLOUR = "(?P<colour>[a-z]+)"
_HERE = "(?: there)?(?: (?:in|on) (?:picture|image|it))?"
_YOU_SEE = "(?:do you see|can you see)"
_SHOWS = "(?:does (?:picture|image|it) (?:show|have|contain))"
_NUMBER = "(?P<number>two|three|four)"


def read(typed: str, words: Words) -> Question:
    """Reads a question.

    Raises:
        NotAQuestion: it is none of the kinds that the describer knows, or names something that it does not
            know. The message has examples, or near words.
    """
    if len(typed) > MAX_CHARACTERS:
        raise NotAQuestion(f"the question has {len(typed)} characters; at most {MAX_CHARACTERS} are read")
    low = "".join(letter.lower() if letter.isascii() else letter for letter in typed)
    found = [match.span() for match in re.finditer("[a-z]+", low)]
    text, spans = _plain([low[start:end] for start, end in found], found)
    for pattern, make in KINDS:
        match = pattern.fullmatch(text)
        if match is not None:
            return make(_Reading(match, text, spans, words))
    raise NotAQuestion(f"{typed!r} is no question that the describer can read; ask for example: {examples()}")


def examples() -> str:
    return ", ".join(f'"{example}"' for example in EXAMPLES)


SILENT = ("please", "the", "a", "an", "any", "some", "this", "that", "and", "so", "now")


def _plain(typed: Sequence[str], spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """The words with one spelling each, without those that say nothing."""
    spelled: Mapping[str, str] = {"color": "colour", "s": "is", "photo": "picture", "whats": "what is"}
    kept = [
        (spelled.get(word, word), span) for word, span in zip(typed, spans, strict=True) if word not in SILENT
    ]
    return " ".join(word for word, _ in kept), [span for word, span in kept for _ in word.split()]


class _Reading:
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
        """A phrase of a colour and a noun, in the singular.

        Raises:
            NotAQuestion: a word is not known.
        """
        *before, last = self.said(group)
        noun = self.singular.get(last.word)
        if noun is None:
            raise NotAQuestion(self._unknown(last.word, list(self.singular), "things"))
        for token in before:
            if token.word not in self.words.colours:
                raise NotAQuestion(self._unknown(token.word, list(self.words.colours), "colours of things"))
        return [*before, Token(noun, last.span)]

    def colour(self, group: str) -> Token:
        (token,) = self.said(group)
        if token.word not in self.words.colours:
            raise NotAQuestion(self._unknown(token.word, list(self.words.colours), "colours of things"))
        return token

    def side(self, group: str) -> list[Token]:
        said = self.said(group)
        plain = " ".join(token.word for token in said)
        side = next(side for side, phrases in SIDES.items() if plain in phrases)
        span = (said[0].span or (0, 0))[0], (said[-1].span or (0, 0))[1]
        after = {"left": ["of"], "right": ["of"], "next": ["to"]}.get(side, [])
        return [Token(side, span), *map(Token, after)]

    def _unknown(self, word: str, known: list[str], kind: str) -> str:
        near = get_close_matches(word, known, n=3, cutoff=0.6)
        named = self.words.nouns if kind == "things" else known
        hint = f"near: {', '.join(near)}" if near else f"{kind} that it knows: {', '.join(named)}"
        return f"the describer does not know {word!r}; {hint}"


def _is_there(reading: _Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("is"), Token("there"), Token(article(thing[0].word)), *thing))


def _are_there(reading: _Reading) -> Question:
    (number,) = reading.said("number")
    *before, last = reading.thing("thing")
    many = Token(reading.words.nouns[last.word], last.span)
    return Question((Token("are"), Token("there"), number, *before, many))


def _how_many(reading: _Reading) -> Question:
    said = reading.said("thing")
    if said[-1].word in ("things", "objects") and len(said) == 1:
        return Question((Token("how"), Token("many"), Token("things", said[-1].span)))
    *before, last = reading.thing("thing")
    many = Token(reading.words.nouns[last.word], last.span)
    return Question((Token("how"), Token("many"), *before, many))


def _beside(reading: _Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("what"), Token("is"), *reading.side("side"), Token("the"), thing[-1]))


def _colour_of(reading: _Reading) -> Question:
    (*_, last) = reading.said("thing")
    asked = [Token(word) for word in ("what", "colour", "is", "the")]
    if last.word in ("background", "ground"):
        return Question((*asked, Token("background", last.span)))
    thing = reading.thing("thing")
    return Question((*asked, thing[-1]))


def _where_is(reading: _Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("where"), Token("is"), Token("the"), thing[-1]))


def _what(reading: _Reading) -> Question:
    return Question((Token("what"), Token("is"), Token("there")))


def _is_coloured(reading: _Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("is"), Token("the"), thing[-1], reading.colour("colour")))


def _stands(reading: _Reading) -> Question:
    thing = reading.thing("thing")
    other = reading.thing("other")
    side = reading.side("side")
    return Question((Token("is"), Token("the"), thing[-1], *side, Token("the"), other[-1]))


def _which(reading: _Reading) -> Question:
    return Question((Token("what"), Token("is"), reading.colour("colour")))


# Each pattern fits the words without articles; the first that fits is taken.
KINDS: tuple[tuple[re.Pattern[str], Callable[[_Reading], Question]], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (rf"(?:is|are) there {_NUMBER} {_THING}{_HERE}", _are_there),
        (rf"(?:(?:is|are) there|{_YOU_SEE}|{_SHOWS}) {_THING}{_HERE}", _is_there),
        (rf"is {_THING}(?: there| (?:in|on) (?:picture|image|it))", _is_there),
        (rf"how many {_THING}(?: is| are| {_YOU_SEE})?{_HERE}", _how_many),
        (rf"what (?:is there|is it|is shown|{_YOU_SEE}|is (?:in|on) (?:picture|image|it))", _what),
        (r"what (?:does (?:picture|image|it) show|is (?:picture|image) of)", _what),
        (rf"what (?:is|stands|{_YOU_SEE}) {_SIDE} {_THING}", _beside),
        (rf"(?:what|which) colour (?:is|are|has) {_THING}", _colour_of),
        (rf"what is colour of {_THING}", _colour_of),
        (rf"where (?:is|are) {_THING}", _where_is),
        (rf"(?:is|are) {_THING} {_SIDE} {_OTHER}", _stands),
        (rf"(?:is|are) (?P<thing>[a-z]+) {_COLOUR}", _is_coloured),
        (rf"(?:what|which)(?: things?| objects?)? (?:is|are) {_COLOUR}", _which),
    )
)
