"""Captions of views, one for each view, and the region of every word."""

from typing import Literal

from limelight.pipeline.describer.vocabulary import NUMBERS, SOMETHING, Words, article
from scripts.describer.view import SeenThing, View

Region = tuple[int, ...] | Literal["ground"] | None  # slots of the layout, the ground, or nowhere
Spoken = list[tuple[str, Region]]
RELATIONS = {
    "left": "to the left of",
    "above": "above",
    "front": "in front of",
    "on": "on top of",
    "wearing": "wearing",
    "between": "between",
    None: "and",
}
POINTING = ("left", "above", "front", "top", "wearing", "between")  # words that look at all the things
STYLES = {"flat": "flat style"}  # what captions say of a style that the words have no phrase for


def caption(view: View, words: Words) -> Spoken:
    """The words of a view's caption."""
    spoken: Spoken = things_of(view, words) or [("nothing", None)]
    spoken += where(view, words)
    if view.time is not None:
        spoken += plain(words.times[view.time])
    if view.weather is not None:
        spoken += plain(words.weathers[view.weather])
    if view.style is not None:
        spoken += plain(f", {words.styles.get(view.style, STYLES.get(view.style, view.style))}")
    return spoken


def things_of(view: View, words: Words) -> Spoken:
    """The things with their relation."""
    if not view.things:
        return []
    first, *others = view.things
    spoken = phrase(first, words)
    everywhere = tuple(slot for thing in view.things for slot in thing.slots)
    for number, other in enumerate(others):
        joint = RELATIONS[view.relation] if number == 0 else "and"
        if view.relation is None and number < len(others) - 1:
            joint = ","
        spoken += [(word, everywhere if word in POINTING else None) for word in joint.split()]
        spoken += phrase(other, words)
    return spoken


def where(view: View, words: Words) -> Spoken:
    """The place or the ground."""
    if view.place is not None:
        return [(word, "ground" if word == view.place else None) for word in words.places[view.place].split()]
    if view.ground is None:
        return [*plain("on a plain"), ("background", "ground")]
    return [("on", None), (article(view.ground), None), (view.ground, "ground"), ("background", "ground")]


def phrase(thing: SeenThing, words: Words) -> Spoken:
    """A noun phrase: "a small red apple", "three blue cars", "something green"."""
    region = thing.slots
    if thing.noun is None:
        named: Spoken = [(SOMETHING, region)]
        return [*named, (thing.look, region)] if thing.look else named
    before = " ".join(word for word in (thing.size, thing.pose, thing.look) if word)
    described: Spoken = [(word, region) for word in before.split()]
    if thing.count > 1:
        return [(NUMBERS[thing.count], region), *described, (words.nouns[thing.noun], region)]
    described.append((thing.noun, region))
    is_bare = thing.noun in words.bare
    return described if is_bare else [(article(described[0][0]), None), *described]


def plain(text: str) -> Spoken:
    """Words that name nothing in the picture."""
    return [(word, None) for word in text.split()]
