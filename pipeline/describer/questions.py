"""Questions as people type them, read into the describer's own wording of each kind."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from limelight.pipeline.describer.asked import Question, Reading, Span, Token, sides_of
from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.vocabulary import Words, article

Make = Callable[[Reading], Question]

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
MORE_EXAMPLES: Mapping[str, str] = {  # by the group of words that they need
    "materials": "what is the car made of?",
    "places": "where is this?",
    "times": "is it night?",
    "weathers": "what is the weather?",
}
_THING, _OTHER = (f"(?P<{group}>[a-z]+(?: [a-z]+)??)" for group in ("thing", "other"))
_COLOUR = "(?P<colour>[a-z]+)"
_HERE = "(?: there)?(?: (?:in|on) (?:picture|image|it))?"
_YOU_SEE = "(?:do you see|can you see)"
_SHOWS = "(?:does (?:picture|image|it) (?:show|have|contain))"


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
    for pattern, make in (*_scene_kinds(words), *_kinds(words)):
        match = re.fullmatch(pattern, text)
        if match is not None:
            return make(Reading(match, text, spans, words))
    shown = ", ".join(f'"{example}"' for example in examples(words))
    raise NotAQuestion(f"{typed!r} is no question that the describer can read; ask for example: {shown}")


def examples(words: Words) -> tuple[str, ...]:
    """A question of each kind that the describer knows."""
    return (*EXAMPLES, *(example for group, example in MORE_EXAMPLES.items() if getattr(words, group)))


SILENT = ("please", "the", "a", "an", "any", "some", "this", "that", "and", "so", "now")


def _plain(typed: Sequence[str], spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """The words with one spelling each, without those that say nothing."""
    spelled: Mapping[str, str] = {"color": "colour", "s": "is", "photo": "picture", "whats": "what is"}
    kept = [
        (spelled.get(word, word), span) for word, span in zip(typed, spans, strict=True) if word not in SILENT
    ]
    return " ".join(word for word, _ in kept), [span for word, span in kept for _ in word.split()]


def _is_there(reading: Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("is"), Token("there"), Token(article(thing[0].word)), *thing))


def _are_there(reading: Reading) -> Question:
    (number,) = reading.said("number")
    *before, last = reading.thing("thing")
    many = Token(reading.words.nouns[last.word], last.span)
    return Question((Token("are"), Token("there"), number, *before, many))


def _how_many(reading: Reading) -> Question:
    said = reading.said("thing")
    if said[-1].word in ("things", "objects") and len(said) == 1:
        return Question((Token("how"), Token("many"), Token("things", said[-1].span)))
    *before, last = reading.thing("thing")
    many = Token(reading.words.nouns[last.word], last.span)
    return Question((Token("how"), Token("many"), *before, many))


def _beside(reading: Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("what"), Token("is"), *reading.side("side"), Token("the"), thing[-1]))


def _colour_of(reading: Reading) -> Question:
    (*_, last) = reading.said("thing")
    asked = [Token(word) for word in ("what", "colour", "is", "the")]
    if last.word in ("background", "ground"):
        return Question((*asked, Token("background", last.span)))
    thing = reading.thing("thing")
    return Question((*asked, thing[-1]))


def _where_is(reading: Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("where"), Token("is"), Token("the"), thing[-1]))


def _what(reading: Reading) -> Question:
    return Question((Token("what"), Token("is"), Token("there")))


def _is_coloured(reading: Reading) -> Question:
    thing = reading.thing("thing")
    return Question((Token("is"), Token("the"), thing[-1], reading.look("colour")))


def _stands(reading: Reading) -> Question:
    thing = reading.thing("thing")
    other = reading.thing("other")
    side = reading.side("side")
    return Question((Token("is"), Token("the"), thing[-1], *side, Token("the"), other[-1]))


def _which(reading: Reading) -> Question:
    return Question((Token("what"), Token("is"), reading.look("colour")))


def _kinds(words: Words) -> tuple[tuple[str, Make], ...]:
    """Each pattern fits the words without articles; the first that fits is taken."""
    side = "(?P<side>" + "|".join(each for phrases in sides_of(words).values() for each in phrases) + ")"
    number = f"(?P<number>{'|'.join(words.numbers[2:])})"
    return (
        (rf"(?:is|are) there {number} {_THING}{_HERE}", _are_there),
        (rf"(?:(?:is|are) there|{_YOU_SEE}|{_SHOWS}) {_THING}{_HERE}", _is_there),
        (rf"is {_THING}(?: there| (?:in|on) (?:picture|image|it))", _is_there),
        (rf"how many {_THING}(?: is| are| {_YOU_SEE})?{_HERE}", _how_many),
        (rf"what (?:is there|is it|is shown|{_YOU_SEE}|is (?:in|on) (?:picture|image|it))", _what),
        (r"what (?:does (?:picture|image|it) show|is (?:picture|image) of)", _what),
        (rf"what (?:is|stands|{_YOU_SEE}) {side} {_THING}", _beside),
        (rf"(?:what|which) colour (?:is|are|has) {_THING}", _colour_of),
        (rf"what is colour of {_THING}", _colour_of),
        (rf"where (?:is|are) {_THING}", _where_is),
        (rf"(?:is|are) {_THING} {side} {_OTHER}", _stands),
        (rf"(?:is|are) (?P<thing>[a-z]+) {_COLOUR}", _is_coloured),
        (rf"(?:what|which)(?: things?| objects?)? (?:is|are) {_COLOUR}", _which),
    )


def _scene_kinds(words: Words) -> Iterator[tuple[str, Make]]:
    """The kinds about materials, places, times and weathers, where the words have those groups."""
    if words.materials:
        yield rf"what (?:is|are) {_THING} made (?:of|from|out of)", _made_of
        yield rf"(?:what|which) material (?:is|are) {_THING}", _made_of
    if "wearing" in words.relations:
        yield rf"what (?:is|does) {_THING} wear(?:ing)?", _wearing
    if words.places:
        place = f"(?P<place>{'|'.join(words.places)})"
        yield r"where (?:is(?: it| picture| scene)?|are we)", _fixed("where is this")
        yield r"(?:what|which) place is (?:it|shown|in picture)", _fixed("where is this")
        yield r"(?:what|which) place(?: is)?", _fixed("where is this")
        yield rf"is (?:it |picture )?(?:(?:in|on|at) )?{place}", _is_at
    if words.times:
        yield rf"is it (?P<time>{'|'.join(words.times)})(?: time)?", _is_time
        yield r"(?:what time(?: of day)? is(?: it)?|when is it)", _fixed("what time is it")
    if words.weathers:
        yield r"(?:what|how) is weather(?: like)?", _fixed("what is the weather")
        yield rf"is it (?P<weather>(?:{'|'.join(words.weathers)})ing)", _is_weather


def _fixed(wording: str) -> Make:
    return lambda reading: Question(tuple(map(Token, wording.split())))


def _made_of(reading: Reading) -> Question:
    thing = reading.thing("thing")
    return Question((*map(Token, ("what", "is", "the")), thing[-1], Token("made"), Token("of")))


def _wearing(reading: Reading) -> Question:
    thing = reading.thing("thing")
    return Question((*map(Token, ("what", "is", "the")), thing[-1], Token("wearing")))


def _is_at(reading: Reading) -> Question:
    (place,) = reading.said("place")
    said = [place if word == place.word else Token(word) for word in reading.words.places[place.word].split()]
    return Question((Token("is"), Token("it"), *said))


def _is_time(reading: Reading) -> Question:
    return Question((Token("is"), Token("it"), *reading.said("time")))


def _is_weather(reading: Reading) -> Question:
    return Question((Token("is"), Token("it"), *reading.said("weather")))
