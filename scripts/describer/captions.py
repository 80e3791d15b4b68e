"""Captions of views, one for each view, and the region of every word."""

from typing import Literal

from limelight.pipeline.describer.vocabulary import NUMBERS, SOMETHING, article
from scripts.describer.view import SeenThing, View
from scripts.world.vocabulary import NOUN_INDEX, NOUNS

Region = tuple[int, ...] | Literal["ground"] | None  # slots of the layout, the ground, or nowhere
Spoken = list[tuple[str, Region]]


def caption(view: View) -> Spoken:
    """The words of a view's caption."""
    spoken: Spoken = [("nothing", None)]
    if view.things:
        spoken = phrase(view.things[0])
    if len(view.things) == 2:
        both = view.things[0].slots + view.things[1].slots
        relation = ["above"] if view.vertical else ["to", "the", "left", "of"]
        spoken += [(word, both if word in ("above", "left") else None) for word in relation]
        spoken += phrase(view.things[1])
    spoken += [("on", None), (article(view.ground), None), (view.ground, "ground"), ("background", "ground")]
    if view.flat:
        spoken += [(",", None), ("flat", None), ("style", None)]
    return spoken


def phrase(thing: SeenThing) -> Spoken:
    """A noun phrase: "a small red apple", "three blue cars", "something green"."""
    where = thing.slots
    if thing.noun is None:
        words: Spoken = [(SOMETHING, where)]
        return [*words, (thing.colour, where)] if thing.colour else words
    described: Spoken = [(word, where) for word in (thing.size, thing.colour) if word]
    if thing.count > 1:
        return [(NUMBERS[thing.count], where), *described, (plural(thing.noun), where)]
    described.append((thing.noun, where))
    return [(article(described[0][0]), None), *described]


def plural(noun: str) -> str:
    return NOUNS[NOUN_INDEX[noun]].plural
