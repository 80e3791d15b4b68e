"""Checks what a prompt says against a picture by questions to the describer, one for each atom of the prompt.

Source: Kamath et al. 2025, "GenEval 2", arXiv:2512.16853, whose Soft-TIFA scores each atom by the probability
of the right answer.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.describer.description import KNOWN, Picture
from limelight.pipeline.describer.doubt import is_noun
from limelight.pipeline.describer.phrases import AFTER, BEFORE, Token, sides_of
from limelight.pipeline.describer.questions import Question
from limelight.pipeline.describer.vocabulary import Words, article
from limelight.pipeline.reading.check import Atom, Check
from limelight.pipeline.results.result import Result
from limelight.pipeline.text.encoder import Word

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class AskedAtom:
    """An atom of a prompt as a question.

    Attributes:
        group: things, colours (and materials), counts, relations or places (and times).
        span: of the words in the prompt that say it.
        answer: first word of the answer if the picture shows it.
    """

    group: str
    span: Span
    question: Question
    answer: str


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A noun of a prompt, with the words before it that belong to it."""

    noun: str
    span: Span
    colour: tuple[str, Span] | None
    number: tuple[str, Span] | None


def check_by_describer(describer: DefaultDescriber, picture: Picture, prompt: str) -> Check | None:
    """How probable the describer finds each atom of a prompt, as it sees the picture.

    Words that the describer does not know are left out.

    Returns: None for a picture that is not of the describer's world.

    Raises:
        RequestError: the picture cannot be read.
    """
    asked = list(atoms_of(prompt, describer.words))
    chances, known = describer.chances(picture, [(each.question, each.answer) for each in asked])
    if known < KNOWN:
        return None
    return Check(
        tuple(
            Atom(Word(prompt[slice(*each.span)], each.span, ()), each.group, chance)
            for each, chance in zip(asked, chances, strict=True)
        )
    )


def with_described(result: Result, describer: DefaultDescriber) -> Result:
    """A checked picture whose check has that of the describer too."""
    facts = described(result.info["check"], describer, result.image, result.request.prompt)
    return replace(result, info={**result.info, "check": facts})


def described(
    facts: Mapping[str, Any], describer: DefaultDescriber, picture: Picture, prompt: str
) -> dict[str, Any]:
    """A check as a dict, with that of the describer as `describer`, if the picture is of its world and it
    knows words of the prompt."""
    found = check_by_describer(describer, picture, prompt)
    return {**facts, **({"describer": found.to_dict()} if found is not None and found.atoms else {})}


def atoms_of(prompt: str, words: Words) -> Iterator[AskedAtom]:
    """The atoms of a prompt that can be asked for, in the order of their words."""
    found = [(match[0].lower(), match.span()) for match in re.finditer("[A-Za-z]+", prompt)]
    phrases, rest = _phrases(found, words)
    atoms = [atom for phrase in phrases for atom in _of_phrase(phrase, words)]
    for first, second in pairwise(phrases):
        between = [each for each in found if first.span[1] <= each[1][0] < second.span[0]]
        atoms += _relation(first, second, between, words)
    names_ground = bool(phrases) or any(word == "background" for word, _ in rest)
    atoms += _place(rest, words, names_ground)
    yield from sorted(atoms, key=lambda atom: atom.span)


def _phrases(
    found: Sequence[tuple[str, Span]], words: Words
) -> tuple[list[_Phrase], Sequence[tuple[str, Span]]]:
    """The nouns with their colours and numbers, and the words after the last noun."""
    singular = {many: one for one, many in words.nouns.items()} | {one: one for one in words.nouns}
    phrases, start, typed = [], 0, [word for word, _ in found]
    for at, (word, span) in enumerate(found):
        if is_noun(typed, at, words):
            before = found[start:at]
            colour = next(((w, s) for w, s in reversed(before) if w in words.looks), None)
            number = next(((w, s) for w, s in before if w in words.numbers[2:]), None)
            phrases.append(_Phrase(singular[word], span, colour, number))
            start = at + 1
    return phrases, found[start:]


def _of_phrase(phrase: _Phrase, words: Words) -> Iterator[AskedAtom]:
    yield AskedAtom("things", phrase.span, _asked(f"is there {article(phrase.noun)} {phrase.noun}"), "yes")
    if phrase.colour is not None:
        colour, span = phrase.colour
        asked = f"is there {article(colour)} {colour} {phrase.noun}"
        yield AskedAtom("colours", span, _asked(asked), "yes")
    if phrase.number is not None:
        number, span = phrase.number
        yield AskedAtom("counts", span, _asked(f"how many {words.nouns[phrase.noun]}"), number)


def _relation(
    first: _Phrase, second: _Phrase, between: Sequence[tuple[str, Span]], words: Words
) -> Iterator[AskedAtom]:
    """The relation that the words between two nouns say."""
    if first.noun == second.noun:
        return
    said = [(word, span) for word, span in between if word != "the"]
    beside = [(phrase, side) for side, phrases in sides_of(words).items() for phrase in phrases]
    for phrase, side in sorted(beside, key=lambda each: -len(each[0])):
        length = len(phrase.split())
        for at in range(len(said) - length + 1):
            part = said[at : at + length]
            if " ".join(word for word, _ in part) == phrase:
                stands = " ".join((*BEFORE.get(side, ()), side, *AFTER.get(side, ())))
                asked = _asked(f"is the {first.noun} {stands} the {second.noun}")
                yield AskedAtom("relations", (part[0][1][0], part[-1][1][1]), asked, "yes")
                return


def _place(rest: Sequence[tuple[str, Span]], words: Words, names_ground: bool) -> Iterator[AskedAtom]:
    """Ground, place and time, in the words after the last noun.

    Args:
        names_ground: whether a colour is that of the ground; alone ("red"), it may be that of anything.
    """
    for word, span in rest:
        if word in words.places:
            yield AskedAtom("places", span, _asked(f"is it {words.places[word]}"), "yes")
        elif word in words.times:
            yield AskedAtom("places", span, _asked(f"is it {word}"), "yes")
    for word, span in rest if names_ground else ():
        if (ground := {"grey": "gray"}.get(word, word)) in words.grounds:
            yield AskedAtom("places", span, _asked("what colour is the background"), ground)
            return


def _asked(words: str) -> Question:
    return Question(tuple(Token(word) for word in words.split()))
