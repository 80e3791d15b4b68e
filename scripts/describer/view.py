"""What a composed picture shows: the truth that captions, questions and answers are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.world.composer import PIXELS, SIZES, Layout
from scripts.world.scene import Scene
from scripts.world.vocabulary import COLOURS, NOUN_INDEX, NOUNS

# The colour of art for which the vocabulary has no colour word of its own, as people would say it.
OWN_COLOURS = {
    "ghost": "white",
    "cloud": "white",
    "snowman": "white",
    "elephant": "gray",
    "hat": "black",
    "octopus": "orange",
    "snail": "brown",
    "donut": "brown",
}
COLOUR_WORDS = (*COLOURS, "white", "gray", "black")
MIDDLE = 9 / 64  # of the side; a thing whose centre is nearer than this to the picture's is in the middle
COLOURLESS = ("silhouette", "sketch")  # styles in which things have no colours


@dataclass(frozen=True)
class SeenThing:
    """Equal things that one phrase names.

    Attributes:
        noun: None for things that have no word.
        colour: the colour word that holds for it, None if it has several, or a material.
        slots: its places in the layout, and so its masks.
        x, y: the centre of the first one, as shares of the picture's side.
    """

    noun: str | None
    colour: str | None
    size: str | None
    slots: tuple[int, ...]
    x: float
    y: float
    material: str | None = None
    pose: str | None = None

    @property
    def count(self) -> int:
        return len(self.slots)

    @property
    def look(self) -> str | None:
        """Its material or its colour."""
        return self.material or self.colour

    @property
    def place(self) -> str:
        """Where in the picture a single thing is: left, right, top, bottom or middle."""
        dx, dy = self.x - 0.5, self.y - 0.5
        if max(abs(dx), abs(dy)) < MIDDLE:
            return "middle"
        if abs(dx) > abs(dy):
            return "left" if dx < 0 else "right"
        return "top" if dy < 0 else "bottom"


@dataclass(frozen=True)
class View:
    """A picture in words.

    Attributes:
        things: none to three.
        relation: of the first thing to the others: left, above, front, on, wearing or between; None for fewer
            than two things, or if they are only there together.
        ground: the colour of a plain ground; None in a place, or if it has no colour.
        place: None for a plain ground.
        time: None if the picture does not show it.
        weather: None if nothing falls, or the picture does not show it.
        style: None for the common one.
        is_sure: the relation is plain to see.
    """

    things: tuple[SeenThing, ...]
    relation: str | None
    ground: str | None
    place: str | None = None
    time: str | None = None
    weather: str | None = None
    style: str | None = None
    is_sure: bool = True

    @property
    def is_coloured(self) -> bool:
        return self.style not in COLOURLESS


def views(scenes: Sequence[Scene], layout: Layout, unnamed: np.ndarray) -> list[View]:
    """The views of scenes of the first world, all of which name their ground. Of two things the left or the
    upper one comes first.

    Args:
        unnamed: booleans (b k), which things are shown by art that has no word.
    """
    sides = np.asarray(SIZES)[layout.size.numpy()]
    x, y = ((at.numpy() + sides / 2) / PIXELS for at in (layout.x, layout.y))
    found = []
    for row, scene in enumerate(scenes):
        assert scene.background is not None
        things, first = [], 0
        for thing in scene.things:
            slots = tuple(range(first, first + thing.count))
            hidden = bool(unnamed[row, first])
            own = NOUNS[NOUN_INDEX[thing.noun]].native or OWN_COLOURS.get(thing.noun)
            things.append(
                SeenThing(
                    None if hidden else thing.noun,
                    thing.colour or (None if hidden else own),
                    thing.size,
                    slots,
                    float(x[row, first]),
                    float(y[row, first]),
                )
            )
            first += thing.count
        relation = None
        if len(things) == 2:
            is_vertical = abs(things[0].y - things[1].y) > abs(things[0].x - things[1].x)
            things.sort(key=lambda thing: thing.y if is_vertical else thing.x)
            relation = "above" if is_vertical else "left"
        style = "flat" if scene.style == "flat" else None
        found.append(View(tuple(things), relation, scene.background, style=style))
    return found
