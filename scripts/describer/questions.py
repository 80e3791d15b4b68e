"""Questions about views with their answers, in the describer's own wording of each kind of question."""

from collections.abc import Callable

import numpy as np

from limelight.pipeline.describer.vocabulary import NUMBERS, article
from scripts.describer.captions import Region, Spoken, phrase, plural
from scripts.describer.view import COLOUR_WORDS, SeenThing, View
from scripts.world.vocabulary import NOUNS

Asked = tuple[Spoken, Spoken]  # question without its question mark, answer
SIDES = ("left", "right", "above", "below", "next")
AFTER = {"left": ("of",), "right": ("of",), "next": ("to",)}
PLACES = {
    "left": ("on", "the", "left"),
    "right": ("on", "the", "right"),
    "top": ("at", "the", "top"),
    "bottom": ("at", "the", "bottom"),
    "middle": ("in", "the", "middle"),
}


def ask(view: View, rng: np.random.Generator) -> Asked:
    """A random question about a view, and its answer."""
    chance, kinds = rng.random() * TOTAL, iter(KINDS)
    share, kind = next(kinds)
    while chance >= share:
        chance -= share
        share, kind = next(kinds)
    return kind(view, rng)


def is_there(view: View, rng: np.random.Generator) -> Asked:
    """A thing that is there; one that is there in another colour; one that is not there at all."""
    thing = _thing(view, rng)
    chance = rng.random()
    if thing is not None and chance < 0.75:
        colour = thing.colour if rng.random() < 0.5 or chance >= 0.5 else None
        if chance >= 0.5 and colour:
            wrong = _other(COLOUR_WORDS, [each.colour for each in view.things], rng)
            return _exists(wrong, thing.noun or "", None)
        return _exists(colour, thing.noun or "", thing.slots)
    colours = [None, *(each.colour for each in view.things), str(rng.choice(COLOUR_WORDS))]
    return _exists(colours[rng.integers(len(colours))], _absent(view, rng), None)


def _exists(colour: str | None, noun: str, where: Region) -> Asked:
    words = [word for word in (colour, noun) if word]
    question: Spoken = [("is", None), ("there", None), (article(words[0]), None)]
    answer = ("yes", where) if where else ("no", None)
    return question + [(word, where) for word in words], [answer]


def are_there(view: View, rng: np.random.Generator) -> Asked:
    """So many things, or another number of them."""
    thing = _thing(view, rng)
    number, where, noun = 0, None, ""
    if thing is None:
        noun = _absent(view, rng)
    else:
        number, where, noun = thing.count, thing.slots, thing.noun or ""
    asked = number if number > 1 and rng.random() < 0.5 else int(rng.integers(2, 5))
    question: Spoken = [("are", None), ("there", None), (NUMBERS[asked], where), (plural(noun), where)]
    return question, [("yes" if asked == number else "no", where)]


def how_many(view: View, rng: np.random.Generator) -> Asked:
    chance = rng.random()
    if chance < 0.2:
        slots = tuple(slot for thing in view.things for slot in thing.slots)
        counted = (NUMBERS[len(slots)], slots or None)
        return [("how", None), ("many", None), ("things", slots or None)], [counted]
    thing = _thing(view, rng) if chance < 0.8 else None
    noun, where = (_absent(view, rng), None) if thing is None else (thing.noun or "", thing.slots)
    question: Spoken = [("how", None), ("many", None), (plural(noun), where)]
    if thing is not None and thing.colour and rng.random() < 0.3:
        question.insert(2, (thing.colour, where))
    return question, [(NUMBERS[len(where or ())], where)]


def at_its_side(view: View, rng: np.random.Generator) -> Asked:
    """Which thing stands on one side of another."""
    thing = _thing(view, rng)
    if thing is None:
        return what(view, rng)
    side = SIDES[rng.integers(len(SIDES))]
    others = [each for each in view.things if each is not thing]
    if others and rng.random() < 0.6:
        side = _side(view, others[0], thing)
    fits = bool(others) and side in (_side(view, others[0], thing), "next")
    answer: Spoken = phrase(others[0]) if fits else [("nothing", None)]
    question: Spoken = [("what", None), ("is", None), (side, others[0].slots if fits else None)]
    question += [(word, None) for word in AFTER.get(side, ())]
    return [*question, ("the", None), (thing.noun or "", thing.slots)], answer


def _side(view: View, thing: SeenThing, other: SeenThing) -> str:
    """The side of `other` on which `thing` stands."""
    first = view.things[0] is thing
    if view.vertical:
        return "above" if first else "below"
    return "left" if first else "right"


def colour_of(view: View, rng: np.random.Generator) -> Asked:
    thing = _thing(view, rng) if rng.random() < 0.9 else None
    if thing is None:
        return _with_absent(view, rng, ["what", "colour", "is", "the"])
    question: Spoken = [(word, None) for word in ("what", "colour", "is", "the")]
    question.append((thing.noun or "", thing.slots))
    if thing.colour:
        return question, [(thing.colour, thing.slots)]
    return question, [("several", thing.slots), ("colours", thing.slots)]


def ground_of(view: View, rng: np.random.Generator) -> Asked:
    question: Spoken = [(word, None) for word in ("what", "colour", "is", "the")]
    return [*question, ("background", "ground")], [(view.ground, "ground")]


def where_is(view: View, rng: np.random.Generator) -> Asked:
    thing = _thing(view, rng) if rng.random() < 0.9 else None
    if thing is None:
        return _with_absent(view, rng, ["where", "is", "the"])
    if thing.count > 1:
        return how_many(view, rng)
    place = thing.place
    if len(view.things) == 2:
        place = {"above": "top", "below": "bottom"}.get(
            side := _side(view, thing, view.things[1 - view.things.index(thing)]), side
        )
    question: Spoken = [("where", None), ("is", None), ("the", None), (thing.noun or "", thing.slots)]
    return question, [(word, thing.slots if word == place else None) for word in PLACES[place]]


def what(view: View, rng: np.random.Generator) -> Asked:
    answer: Spoken = [("nothing", None)]
    if view.things:
        answer = phrase(view.things[0])
    for thing in view.things[1:]:
        answer = [*answer, ("and", None), *phrase(thing)]
    return [("what", None), ("is", None), ("there", None)], answer


def is_coloured(view: View, rng: np.random.Generator) -> Asked:
    thing = _thing(view, rng) if rng.random() < 0.9 else None
    colour = str(rng.choice(COLOUR_WORDS))
    if thing is None:
        return _with_absent(view, rng, ["is", "the"], [colour])
    others = [each.colour for each in view.things if each is not thing and each.colour]
    if thing.colour and rng.random() < 0.5:
        colour = thing.colour
    elif others and rng.random() < 0.5:
        colour = others[0]
    same = colour == thing.colour
    question: Spoken = [("is", None), ("the", None), (thing.noun or "", thing.slots), (colour, thing.slots)]
    return question, [("yes" if same else "no", thing.slots)]


def stands(view: View, rng: np.random.Generator) -> Asked:
    """Whether a thing stands on one side of another."""
    named = [thing for thing in view.things if thing.noun]
    if len(named) < 2:
        return is_there(view, rng)
    thing, other = (named[index] for index in rng.permutation(2))
    side = SIDES[rng.integers(len(SIDES))]
    if rng.random() < 0.5:
        side = _side(view, thing, other)
    fits = side in (_side(view, thing, other), "next")
    question: Spoken = [("is", None), ("the", None), (thing.noun or "", thing.slots), (side, thing.slots)]
    question += [(word, None) for word in AFTER.get(side, ())]
    question += [("the", None), (other.noun or "", other.slots)]
    return question, [("yes" if fits else "no", thing.slots)]


def which(view: View, rng: np.random.Generator) -> Asked:
    """Which things have a colour."""
    thing = view.things[rng.integers(len(view.things))] if view.things and rng.random() < 0.7 else None
    colour = thing.colour if thing is not None and thing.colour else str(rng.choice(COLOUR_WORDS))
    found = [each for each in view.things if each.colour == colour]
    slots = tuple(slot for each in found for slot in each.slots)
    answer: Spoken = []
    for each in found:
        answer += [("and", None)] if answer else []
        noun = "things" if each.noun is None else plural(each.noun) if each.count > 1 else each.noun
        answer += [("something", each.slots)] if each.noun is None else [("the", None), (noun, each.slots)]
    return [("what", None), ("is", None), (colour, slots or None)], answer or [("nothing", None)]


def _thing(view: View, rng: np.random.Generator) -> SeenThing | None:
    """One of the things that have a word."""
    named = [thing for thing in view.things if thing.noun]
    return named[rng.integers(len(named))] if named else None


def _absent(view: View, rng: np.random.Generator) -> str:
    """A noun of none of the things."""
    return _other(tuple(noun.word for noun in NOUNS), [thing.noun for thing in view.things], rng)


def _other(words: tuple[str, ...], than: list[str | None], rng: np.random.Generator) -> str:
    left = [word for word in words if word not in than]
    return left[rng.integers(len(left))]


def _with_absent(
    view: View, rng: np.random.Generator, before: list[str], after: list[str] | None = None
) -> Asked:
    noun = _absent(view, rng)
    question: Spoken = [(word, None) for word in [*before, noun, *(after or [])]]
    return question, [(word, None) for word in ("there", "is", "no", noun)]


KINDS: tuple[tuple[float, Callable[[View, np.random.Generator], Asked]], ...] = (
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
TOTAL = sum(share for share, _ in KINDS)
