"""Questions as people type them, read into the describer's own wording of each kind."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.phrases import (
    EXAMPLES,
    NEGATIONS,
    Phrases,
    Token,
    examples,
    plain,
    sides_of,
)
from limelight.pipeline.describer.vocabulary import NUMBERS, THINGS, Words, article

MAX_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Question:
    """A question in the describer's wording.

    Attributes:
        presumed: things, each with a colour or without, that must be there; a picture without one gets the
            answer that there is none.
        yes_if: the answer from which the typed question has "yes"; empty for a question that is asked as
            it was typed.
        yes_unless: the answer from which it has "no", and "yes" from all others.
        place: side or middle of the picture at which things must stand to be in the answer.
    """

    tokens: tuple[Token, ...]
    presumed: tuple[tuple[Token, ...], ...] = ()
    yes_if: str = ""
    yes_unless: str = ""
    place: str = ""

    def answer(self, said: str) -> str:
        """The answer to the typed question.

        Args:
            said: the answer to the tokens.
        """
        if self.yes_if:
            return "yes" if said == self.yes_if else "no"
        if self.yes_unless:
            return "no" if said == self.yes_unless else "yes"
        return said


_THING, _OTHER = (rf"(?P<{group}>[^\W\d]+(?: [^\W\d]+)??)" for group in ("thing", "other"))
_COLOUR = r"(?P<colour>[^\W\d]+)"
_HERE = "(?: there| here)?(?: (?:in|on) (?:picture|image|it))?"
_YOU_SEE = "(?:do you see|can you see)"
_SHOWS = "(?:does (?:picture|image|it) (?:show|have|contain))"
_ANYTHING = "(?:anything|something|things?|objects?)"
_GROUND = "(?P<ground>background|ground)"
_STANDS = (
    r"(?:on|at|in|to) (?P<place>left|right|top|bottom|middle|centre|center)(?: (?:side|half|part))?"
    r"(?: (?:of|in) (?:picture|image|it))?"
)
_NUMBER = f"(?P<number>{'|'.join(NUMBERS[1:])}|[0-9]+)"

Make = Callable[[Phrases], Question]


def read(typed: str, words: Words) -> Question:
    """Reads a question.

    Raises:
        NotAQuestion: it is none of the kinds that the describer knows, or names something that it does not
            know. The message has examples, or near words.
    """
    if len(typed) > MAX_CHARACTERS:
        raise NotAQuestion(f"the question has {len(typed)} characters; at most {MAX_CHARACTERS} are read")
    low = "".join(letter.lower() if letter.isascii() else letter for letter in typed)
    found = [match.span() for match in re.finditer(r"[^\W_]+", low)]
    text, spans = plain([low[start:end] for start, end in found], found)
    if negation := next((word for word in text.split() if word in NEGATIONS), None):
        raise NotAQuestion(
            f"{typed!r} has {negation!r}, and no negation is read; ask whether a thing is there, such as "
            f'"{EXAMPLES[0]}"'
        )
    for pattern, make in (*_scene_kinds(words), *_kinds(words)):
        match = re.fullmatch(pattern, text)
        if match is not None:
            return make(Phrases(match, text, spans, words))
    shown = examples(words)
    raise NotAQuestion(f"{typed!r} is no question that the describer can read; ask for example: {shown}")


def _is_there(reading: Phrases) -> Question:
    groups = [group for group in ("other", "thing") if reading.match.groupdict().get(group)]
    *presumed, thing = map(reading.thing, groups)
    tokens = (Token("is"), Token("there"), Token(article(thing[0].word)), *thing)
    return Question(tokens, tuple(map(tuple, presumed)))


def _are_there(reading: Phrases) -> Question:
    number, many = reading.number(), reading.many("thing")
    if number.word == "one" or many[-1].word == THINGS:
        return Question((Token("how"), Token("many"), *many), yes_if=number.word)
    return Question((Token("are"), Token("there"), number, *many))


def _how_many(reading: Phrases) -> Question:
    return Question((Token("how"), Token("many"), *reading.many("thing")))


def _beside(reading: Phrases) -> Question:
    thing = reading.thing("thing")
    tokens = (Token("what"), Token("is"), *reading.side("side"), Token("the"), thing[-1])
    return Question(tokens, (tuple(thing),))


def _is_beside(reading: Phrases) -> Question:
    return replace(_beside(reading), yes_unless="nothing")


def _colour_of(reading: Phrases) -> Question:
    thing = reading.thing("thing")
    asked = [Token(word) for word in ("what", "colour", "is", "the")]
    return Question((*asked, thing[-1]), _coloured(thing))


def _ground(reading: Phrases) -> Question:
    (said,) = reading.said("ground")
    asked = [Token(word) for word in ("what", "colour", "is", "the")]
    return Question((*asked, Token("background", said.span)))


def _is_ground(reading: Phrases) -> Question:
    return replace(_ground(reading), yes_if=reading.ground("colour").word)


def _where_is(reading: Phrases) -> Question:
    thing = reading.thing("thing")
    return Question((Token("where"), Token("is"), Token("the"), thing[-1]), _coloured(thing))


def _coloured(thing: list[Token]) -> tuple[tuple[Token, ...], ...]:
    """A thing that is presumed to be there in its colour; without one the describer says if it is not."""
    return (tuple(thing),) if len(thing) > 1 else ()


def _what(reading: Phrases) -> Question:
    return Question((Token("what"), Token("is"), Token("there")))


def _what_stands(reading: Phrases) -> Question:
    place = reading.match["place"]
    return replace(_what(reading), place="middle" if place.startswith("cent") else place)


def _does_any_stand(reading: Phrases) -> Question:
    return replace(_what_stands(reading), yes_unless="nothing")


def _is_coloured(reading: Phrases) -> Question:
    thing = reading.thing("thing")
    return Question((Token("is"), Token("the"), thing[-1], reading.look("colour")))


def _stands(reading: Phrases) -> Question:
    thing, other = reading.thing("thing"), reading.thing("other")
    tokens = (Token("is"), Token("the"), thing[-1], *reading.side("side"), Token("the"), other[-1])
    return Question(tokens, (tuple(thing), tuple(other)))


def _which(reading: Phrases) -> Question:
    return Question((Token("what"), Token("is"), reading.look("colour")))


def _is_any(reading: Phrases) -> Question:
    return replace(_which(reading), yes_unless="nothing")


def _kinds(words: Words) -> tuple[tuple[str, Make], ...]:
    """Each pattern fits the words without articles; the first that fits is taken."""
    side = "(?P<side>" + "|".join(each for phrases in sides_of(words).values() for each in phrases) + ")"
    return (
        (rf"what (?:(?:is|are)(?: there)?|stands|{_YOU_SEE}) {_STANDS}", _what_stands),
        (rf"(?:(?:is|are)(?: there)?|{_YOU_SEE}) {_ANYTHING} {_STANDS}", _does_any_stand),
        (rf"(?:(?:is|are) there|{_YOU_SEE}|{_SHOWS}) (?:exactly )?{_NUMBER} {_THING}{_HERE}", _are_there),
        (rf"(?:(?:is|are) there|is|{_YOU_SEE}) {_ANYTHING} {_COLOUR}{_HERE}", _is_any),
        (rf"(?:is|are)(?: there)? {_ANYTHING} {side} {_THING}", _is_beside),
        (rf"(?:is|are)(?: there)? {_THING} {side} {_OTHER}", _stands),
        (rf"(?:(?:is|are) there|{_YOU_SEE}|{_SHOWS}) (?:{_OTHER} and )?{_THING}{_HERE}", _is_there),
        (rf"is {_THING}(?: there| here| (?:in|on) (?:picture|image|it))", _is_there),
        (rf"is it (?:(?:picture|image) of )?{_THING}", _is_there),
        (rf"how many {_THING}(?: is| are| {_YOU_SEE})?{_HERE}", _how_many),
        (rf"what (?:is there|is it|are it|is shown|{_YOU_SEE}){_HERE}", _what),
        (r"what is (?:in|on) (?:picture|image|it)|describe (?:picture|image|it)", _what),
        (r"what (?:does (?:picture|image|it) show|is (?:picture|image) of)", _what),
        (rf"what (?:is|stands|{_YOU_SEE}) {side} {_THING}", _beside),
        (rf"what is {_GROUND}(?: colour)?", _ground),
        (rf"(?:what|which) colour (?:is|are|has|does) {_GROUND}(?: have)?", _ground),
        (rf"what is colour of {_GROUND}", _ground),
        (rf"is {_GROUND} {_COLOUR}", _is_ground),
        (rf"(?:what|which) colour (?:is|are|has|does) {_THING}(?: have)?", _colour_of),
        (rf"what is colour of {_THING}", _colour_of),
        (rf"where (?:is|are) {_THING}{_HERE}", _where_is),
        (rf"(?:is|are) (?P<thing>[^\W\d]+) {_COLOUR}", _is_coloured),
        (rf"(?:what|which)(?: things?)? (?:is|are) {_COLOUR}{_HERE}", _which),
    )


def _scene_kinds(words: Words) -> Iterator[tuple[str, Make]]:
    """The kinds about materials, clothes, places, times and weathers, where the words have those groups."""
    if words.materials:
        yield rf"what (?:is|are) {_THING} made (?:of|from|out of)", _made_of
        yield rf"(?:what|which) material (?:is|are) {_THING}", _made_of
    if "wearing" in words.relations:
        yield rf"what (?:is|does) {_THING} wear(?:ing)?", _wearing
    if words.places:
        place = "|".join(words.places)
        unlike = "|".join(word for word in words.places if word not in words.nouns)
        yield r"where (?:is|are)(?: it| we| picture| scene)?", _fixed("where is this")
        yield r"(?:what|which) place (?:is|are) (?:it|shown|in picture)", _fixed("where is this")
        yield rf"is (?:it |picture )?(?:in|on|at) (?P<place>{place})", _is_at
        yield rf"is (?:it )?(?P<place>{unlike})", _is_at
    if words.times:
        yield rf"is it (?:at )?(?P<said>{'|'.join(words.times)})(?: time)?", _is_so
        yield r"(?:what time(?: of day)? is(?: it)?|when is it)", _fixed("what time is it")
    if words.weathers:
        yield r"(?:what|how) is weather(?: like)?", _fixed("what is the weather")
        yield rf"is it (?P<said>(?:{'|'.join(words.weathers)})ing)", _is_so


def _fixed(wording: str) -> Make:
    return lambda reading: Question(tuple(map(Token, wording.split())))


def _made_of(reading: Phrases) -> Question:
    thing = reading.thing("thing")
    tokens = (*map(Token, ("what", "is", "the")), thing[-1], Token("made"), Token("of"))
    return Question(tokens, _coloured(thing))


def _wearing(reading: Phrases) -> Question:
    thing = reading.thing("thing")
    tokens = (*map(Token, ("what", "is", "the")), thing[-1], Token("wearing"))
    return Question(tokens, (tuple(thing),))


def _is_at(reading: Phrases) -> Question:
    (place,) = reading.said("place")
    said = [place if word == place.word else Token(word) for word in reading.words.places[place.word].split()]
    return Question((Token("is"), Token("it"), *said))


def _is_so(reading: Phrases) -> Question:
    return Question((Token("is"), Token("it"), *reading.said("said")))
