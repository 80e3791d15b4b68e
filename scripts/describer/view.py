"""What a composed scene shows: the truth that captions, questions and answers are made of."""

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
MIDDLE = 9.0  # pixels; a thing whose centre is nearer than this to the picture's is in the middle


@dataclass(frozen=True)
class SeenThing:
    """Equal things that one phrase names.

    Attributes:
        noun: None for things that have no word.
        colour: the colour word that holds for it, None if it has several.
        slots: its places in the layout, and so its masks.
        x, y: the centre of the first one, in pixels.
    """

    noun: str | None
    colour: str | None
    size: str | None
    slots: tuple[int, ...]
    x: float
    y: float

    @property
    def count(self) -> int:
        return len(self.slots)

    @property
    def place(self) -> str:
        """Where in the picture a single thing is: left, right, top, bottom or middle."""
        dx, dy = self.x - PIXELS / 2, self.y - PIXELS / 2
        if max(abs(dx), abs(dy)) < MIDDLE:
            return "middle"
        if abs(dx) > abs(dy):
            return "left" if dx < 0 else "right"
        return "top" if dy < 0 else "bottom"


@dataclass(frozen=True)
class View:
    """A picture in words.

    Attributes:
        things: none, one or two; of two the left or the upper one comes first.
        vertical: the two stand above each other.
    """

    things: tuple[SeenThing, ...]
    vertical: bool
    ground: str
    flat: bool


def views(scenes: Sequence[Scene], layout: Layout, unnamed: np.ndarray) -> list[View]:
    """The views of composed scenes, all of which name their ground.

    Args:
        unnamed: booleans (b k), which things are shown by art that has no word.
    """
    sides = np.asarray(SIZES)[layout.size.numpy()]
    x, y = layout.x.numpy() + sides / 2, layout.y.numpy() + sides / 2
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
        vertical = False
        if len(things) == 2:
            vertical = abs(things[0].y - things[1].y) > abs(things[0].x - things[1].x)
            things.sort(key=lambda thing: thing.y if vertical else thing.x)
        found.append(View(tuple(things), vertical, scene.background, scene.style == "flat"))
    return found
