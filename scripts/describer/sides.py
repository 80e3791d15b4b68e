"""On which side of each other the things of a view stand."""

from limelight.pipeline.describer.phrases import sides_of
from limelight.pipeline.describer.vocabulary import Words
from scripts.describer.view import SeenThing, View

OPPOSITE = {"left": "right", "above": "below", "front": "behind"}
# Sides that are neither plainly so nor plainly not so, where the things have a relation of this world's.
UNCLEAR = {
    "above": ("next",),
    "front": ("left", "right", "above", "below", "next"),
    "on": ("next", "front", "behind"),
    "between": ("next",),
}


def side_of(view: View, thing: SeenThing, other: SeenThing) -> str:
    """The side of `other` on which `thing` stands; empty if the view does not say."""
    first, second = view.things.index(thing), view.things.index(other)
    if view.relation == "between":
        order = (1, 0, 2)  # from left to right
        return "left" if order.index(first) < order.index(second) else "right"
    side = "above" if view.relation == "on" else view.relation or ""
    if side not in OPPOSITE:
        return ""
    return side if first < second else OPPOSITE[side]


def askable(view: View, words: Words) -> tuple[str, ...]:
    """The sides that can be asked for: all of a single thing, none if the relation is not plain."""
    sides = tuple(sides_of(words))
    if len(view.things) < 2:
        return sides
    if view.relation in (None, "wearing") or not view.is_sure:
        return ()
    unclear = UNCLEAR.get(view.relation or "", ()) if words.relations else ()
    return tuple(side for side in sides if side not in unclear)
