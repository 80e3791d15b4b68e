"""Questions about views with their answers, in the describer's own wording of each kind of question."""

from collections.abc import Callable, Sequence

import numpy as np

from limelight.pipeline.describer.phrases import AFTER, BEFORE
from limelight.pipeline.describer.vocabulary import NUMBERS, SOMETHING, Words, article
from scripts.describer.captions import Region, Spoken, phrase, plain
from scripts.describer.sides import askable, side_of
from scripts.describer.view import SeenThing, View

Asked = tuple[Spoken, Spoken]  # question without its question mark, answer
Kind = Callable[[View, np.random.Generator, Words], Asked]
Kinds = Sequence[tuple[float, Kind]]  # shares and kinds
PLACES = {
    "left": ("on", "the", "left"),
    "right": ("on", "the", "right"),
    "top": ("at", "the", "top"),
    "bottom": ("at", "the", "bottom"),
    "middle": ("in", "the", "middle"),
}


def ask(view: View, rng: np.random.Generator, words: Words, kinds: Kinds) -> Asked:
    """A random question about a view, and its answer."""
    chance, left = rng.random() * sum(share for share, _ in kinds), iter(kinds)
    share, kind = next(left)
    while chance >= share:
        chance -= share
        share, kind = next(left)
    return kind(view, rng, words)


def is_there(view: View, rng: np.random.Generator, words: Words) -> Asked:
    """A thing that is there; one that is there in another colour; one that is not there at all."""
    thing = named(view, rng)
    chance = rng.random()
    if thing is not None and chance < 0.75:
        look = thing.look if rng.random() < 0.5 or chance >= 0.5 else None
        if chance >= 0.5 and look:
            wrong = _other(words.looks, [each.look for each in view.things], rng)
            return _exists(wrong, thing.noun or "", None)
        return _exists(look, thing.noun or "", thing.slots)
    looks = [None, *(each.look for each in view.things), str(rng.choice(words.looks))]
    return _exists(looks[rng.integers(len(looks))], _absent(view, rng, words), None)


def _exists(look: str | None, noun: str, where: Region) -> Asked:
    words = [word for word in (look, noun) if word]
    question: Spoken = [("is", None), ("there", None), (article(words[0]), None)]
    answer = ("yes", where) if where else ("no", None)
    return question + [(word, where) for word in words], [answer]


def are_there(view: View, rng: np.random.Generator, words: Words) -> Asked:
    """So many things, or another number of them."""
    thing = named(view, rng)
    number, where, noun = 0, None, ""
    if thing is None:
        noun = _absent(view, rng, words)
    else:
        number, where, noun = thing.count, thing.slots, thing.noun or ""
    asked = number if number > 1 and rng.random() < 0.5 else int(rng.integers(2, len(words.numbers)))
    question: Spoken = [*plain("are there"), (NUMBERS[asked], where), (words.nouns[noun], where)]
    return question, [("yes" if asked == number else "no", where)]


def how_many(view: View, rng: np.random.Generator, words: Words) -> Asked:
    chance = rng.random()
    if chance < 0.2:
        slots = tuple(slot for thing in view.things for slot in thing.slots)
        counted = (NUMBERS[len(slots)], slots or None)
        return [("how", None), ("many", None), ("things", slots or None)], [counted]
    thing = named(view, rng) if chance < 0.8 else None
    noun, where = (_absent(view, rng, words), None) if thing is None else (thing.noun or "", thing.slots)
    question: Spoken = [("how", None), ("many", None), (words.nouns[noun], where)]
    if thing is not None and thing.look and rng.random() < 0.3:
        question.insert(2, (thing.look, where))
    return question, [(NUMBERS[len(where or ())], where)]


def at_its_side(view: View, rng: np.random.Generator, words: Words) -> Asked:
    """Which thing stands on one side of another."""
    thing, sides = named(view, rng), askable(view, words)
    if thing is None or not sides:
        return what(view, rng, words)
    side = sides[rng.integers(len(sides))]
    others = [each for each in view.things if each is not thing]
    if others and rng.random() < 0.6:
        side = side_of(view, others[0], thing)
    found = next((each for each in others if side in (side_of(view, each, thing), "next")), None)
    answer: Spoken = phrase(found, words) if found else [("nothing", None)]
    where = found.slots if found else None
    question = [*plain("what is"), *_side(side, where), ("the", None), (thing.noun or "", thing.slots)]
    return question, answer


def _side(side: str, where: Region) -> Spoken:
    return [(word, where if word == side else None) for word in (*BEFORE.get(side, ()), side, *_after(side))]


def _after(side: str) -> tuple[str, ...]:
    return AFTER.get(side, ())


def colour_of(view: View, rng: np.random.Generator, words: Words) -> Asked:
    if not view.is_coloured:
        return is_there(view, rng, words)
    thing = named(view, rng) if rng.random() < 0.9 else None
    if thing is None:
        return with_absent(view, rng, words, "what colour is the")
    question: Spoken = [*plain("what colour is the"), (thing.noun or "", thing.slots)]
    if thing.look:
        return question, [(thing.look, thing.slots)]
    return question, [("several", thing.slots), ("colours", thing.slots)]


def ground_of(view: View, rng: np.random.Generator, words: Words) -> Asked:
    question: Spoken = [*plain("what colour is the"), ("background", "ground")]
    if view.ground is not None:
        return question, [(view.ground, "ground")]
    if not view.is_coloured:
        return what(view, rng, words)
    return question, [("several", "ground"), ("colours", "ground")]


def where_is(view: View, rng: np.random.Generator, words: Words) -> Asked:
    thing = named(view, rng) if rng.random() < 0.9 else None
    if thing is None:
        return with_absent(view, rng, words, "where is the")
    if thing.count > 1:
        return how_many(view, rng, words)
    question: Spoken = [*plain("where is the"), (thing.noun or "", thing.slots)]
    return question, _stands_where(view, thing)


def _stands_where(view: View, thing: SeenThing) -> Spoken:
    """By another thing, or by the sides of the picture."""
    index, others = view.things.index(thing), [each for each in view.things if each is not thing]
    by = {
        ("front", 0): "in front of",
        ("front", 1): "behind",
        ("on", 0): "on top of",
        ("on", 1): "below",
        ("wearing", 1): "on",
        ("between", 0): "between",
    }.get((view.relation or "", index))
    if by is None:
        place = thing.place
        if view.relation in ("left", "above", "between"):
            side = side_of(view, thing, others[0])
            place = {"above": "top", "below": "bottom"}.get(side, side)
        return [(word, thing.slots if word == place else None) for word in PLACES[place]]
    answer: Spoken = [(word, None if word in ("in", "of", "on") else thing.slots) for word in by.split()]
    for number, other in enumerate(others):
        answer += plain("and") if number else []
        answer += [("the", None), (other.noun, other.slots)] if other.noun else [(SOMETHING, other.slots)]
    return answer


def what(view: View, rng: np.random.Generator, words: Words) -> Asked:
    answer: Spoken = [("nothing", None)]
    if view.things:
        answer = phrase(view.things[0], words)
    for number, thing in enumerate(view.things[1:], 2):
        answer = [*answer, ("and" if number == len(view.things) else ",", None), *phrase(thing, words)]
    return plain("what is there"), answer


def is_coloured(view: View, rng: np.random.Generator, words: Words) -> Asked:
    if not view.is_coloured:
        return is_there(view, rng, words)
    thing = named(view, rng) if rng.random() < 0.9 else None
    look = str(rng.choice(words.looks))
    if thing is None:
        return with_absent(view, rng, words, "is the", look)
    others = [each.look for each in view.things if each is not thing and each.look]
    if thing.look and rng.random() < 0.5:
        look = thing.look
    elif others and rng.random() < 0.5:
        look = others[0]
    question: Spoken = [*plain("is the"), (thing.noun or "", thing.slots), (look, thing.slots)]
    return question, [("yes" if look == thing.look else "no", thing.slots)]


def stands(view: View, rng: np.random.Generator, words: Words) -> Asked:
    """Whether a thing stands on one side of another."""
    known, sides = [thing for thing in view.things if thing.noun], askable(view, words)
    if len(known) < 2 or not sides:
        return is_there(view, rng, words)
    thing, other = (known[index] for index in rng.permutation(len(known))[:2])
    side = sides[rng.integers(len(sides))]
    if rng.random() < 0.5:
        side = side_of(view, thing, other)
    fits = side in (side_of(view, thing, other), "next")
    question: Spoken = [*plain("is the"), (thing.noun or "", thing.slots), *_side(side, thing.slots)]
    question += [("the", None), (other.noun or "", other.slots)]
    return question, [("yes" if fits else "no", thing.slots)]


def which(view: View, rng: np.random.Generator, words: Words) -> Asked:
    """Which things have a colour."""
    if not view.is_coloured:
        return is_there(view, rng, words)
    thing = view.things[rng.integers(len(view.things))] if view.things and rng.random() < 0.7 else None
    look = thing.look if thing is not None and thing.look else str(rng.choice(words.looks))
    found = [each for each in view.things if each.look == look]
    slots = tuple(slot for each in found for slot in each.slots)
    answer: Spoken = []
    for each in found:
        answer += [("and", None)] if answer else []
        noun = "things" if each.noun is None else words.nouns[each.noun] if each.count > 1 else each.noun
        answer += [("something", each.slots)] if each.noun is None else [("the", None), (noun, each.slots)]
    return [*plain("what is"), (look, slots or None)], answer or [("nothing", None)]


def named(view: View, rng: np.random.Generator) -> SeenThing | None:
    """One of the things that have a word."""
    known = [thing for thing in view.things if thing.noun]
    return known[rng.integers(len(known))] if known else None


def _absent(view: View, rng: np.random.Generator, words: Words) -> str:
    """A noun of none of the things."""
    return _other(tuple(words.nouns), [thing.noun for thing in view.things], rng)


def _other(words: tuple[str, ...], than: list[str | None], rng: np.random.Generator) -> str:
    left = [word for word in words if word not in than]
    return left[rng.integers(len(left))]


def with_absent(view: View, rng: np.random.Generator, words: Words, before: str, after: str = "") -> Asked:
    """A question about a thing that is not there."""
    noun = _absent(view, rng, words)
    return plain(f"{before} {noun} {after}"), plain(f"there is no {noun}")


KINDS: Kinds = (
    (0.25, is_there),
    (0.13, how_many),
    (0.05, are_there),
    (0.12, at_its_side),
    (0.1, colour_of),
    (0.06, ground_of),
    (0.08, where_is),
    (0.05, what),
    (0.06, is_coloured),
    (0.09, stands),
    (0.04, which),
)
