"""What a composed scene of the second world shows: what can be seen of it, not what it was meant to be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from scripts.describer.view import COLOURLESS, SeenThing, View
from scripts.second.describer.words import NAMED, own_colour
from scripts.second.training.data import Batch
from scripts.second.world.arrange import SIDE
from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import NOUN_INDEX, NOUNS
from scripts.second.world.places import PLACE_INDEX, PLACES
from scripts.second.world.scene import Scene, Thing

HIDES = 0.05  # the share of a thing that another hides, from which on that one is in front of it
TOUCHES = 0.02  # the share from which on it is not plain that neither is
PLAIN = 10.0  # pixels by which two things are further apart one way than the other, where that is plain
FALL = 6.0  # pixels over its shadow from which on a jump is seen
SMALL = {1: 1.05, 2: 0.85}  # shares of a noun's usual side, by the number of things
BIG = {1: 1.85, 2: 1.2}
HUGE = 100.0  # pixels; the side of a single thing that is big whatever its noun
HIDDEN = 0.6  # the share of a thing that is hidden, from which on no caption is true
Turned = Collection[tuple[str, str]]  # nouns and poses whose turned art looks different


@dataclass(frozen=True)
class Box:
    """Where a thing can be seen, in pixels."""

    left: float
    top: float
    right: float
    bottom: float
    x: float
    y: float

    def is_beside(self, other: "Box") -> bool:
        """Whether they share no column, but a row."""
        apart = self.right <= other.left + 1 or other.right <= self.left + 1
        return apart and min(self.bottom, other.bottom) > max(self.top, other.top)


def box_of(mask: Float[Tensor, "h w"]) -> Box:
    """The bounds of a mask above a half, and its centre of mass."""
    seen = mask > 0.5
    rows, columns = seen.any(1).nonzero()[:, 0], seen.any(0).nonzero()[:, 0]
    grid = torch.arange(len(mask)) + 0.5
    total = mask.sum()
    x, y = float(mask.sum(0) @ grid / total), float(mask.sum(1) @ grid / total)
    return Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1), x, y)


def is_readable(batch: Batch, row: int) -> bool:
    """Whether every thing can be seen."""
    slots = (batch.layout.noun[row] >= 0).nonzero()[:, 0]
    areas = (batch.pictures.things[row, slots] > 0.5).sum((1, 2))
    return bool((areas > 40).all()) and bool((batch.pictures.covered[row, slots] < HIDDEN).all())


def view_of(batch: Batch, row: int, turned: Turned, *, blurred: bool = False) -> View:
    """The view of a scene.

    Args:
        blurred: only blobs, places and times are left.
    """
    scene, masks = batch.scenes[row], batch.pictures.things[row]
    seen, boxes = [], []
    for number, thing in enumerate(scene.things):
        slots = tuple((batch.layout.owner[row] == number).nonzero()[:, 0].tolist())
        box = box_of(masks[slots[0]])
        seen.append(_thing(batch, row, thing, slots, box, turned, blurred=blurred))
        boxes.append(box)
    order, relation, is_sure = _related(batch, row, boxes, seen, blurred=blurred)
    if relation == "wearing":
        seen[1] = replace(seen[1], size=None)
    is_sketch = scene.style == "sketch"
    is_outside = scene.place is not None and PLACES[PLACE_INDEX[scene.place]].outdoors
    return View(
        tuple(seen[number] for number in order),
        relation,
        scene.ground if scene.place is None and not is_sketch else None,
        scene.place,
        scene.time if is_outside and not is_sketch else None,
        scene.weather if is_outside and not is_sketch and not blurred else None,
        None if scene.style == "3d" or blurred else scene.style,
        is_sure,
    )


def without_things(view: View) -> View:
    """The view of the same picture with no thing in it; the style of things cannot be seen then."""
    style = None if view.style in ("flat", "silhouette") else view.style
    return replace(view, things=(), relation=None, style=style, is_sure=True)


def _thing(
    batch: Batch, row: int, thing: Thing, slots: tuple[int, ...], box: Box, turned: Turned, *, blurred: bool
) -> SeenThing:
    scene = batch.scenes[row]
    has_word = thing.noun in NAMED and not blurred
    is_coloured = scene.style not in COLOURLESS
    colour = thing.colour
    if colour is None and thing.material is None and has_word and is_coloured:
        colour = own_colour(thing.noun)
    return SeenThing(
        thing.noun if has_word else None,
        colour,
        _size(batch, row, thing, slots) if has_word else None,
        slots,
        box.x / PIXELS,
        box.y / PIXELS,
        thing.material if not blurred else None,
        thing.pose if has_word and _shows_pose(batch, row, thing, slots[0], box, turned) else None,
    )


def _size(batch: Batch, row: int, thing: Thing, slots: tuple[int, ...]) -> str | None:
    """Small or big for what it is; only of one thing or of two."""
    total = len(batch.scenes[row].things)
    if len(slots) > 1 or total > 2:
        return None
    side = float(batch.layout.side[row, slots[0]])
    share = side / SIDE[NOUNS[NOUN_INDEX[thing.noun]].size]
    if share < SMALL[total]:
        return "small"
    return "big" if share > BIG[total] or side > HUGE else None


def _shows_pose(batch: Batch, row: int, thing: Thing, slot: int, box: Box, turned: Turned) -> bool:
    if thing.pose in ("sleeping", "upside down"):
        return (thing.noun, thing.pose) in turned
    if NOUNS[NOUN_INDEX[thing.noun]].rests == "air":
        return False  # it is in the air in every picture
    if thing.pose == "jumping":
        _, y, _, half_height, _ = batch.layout.shadow[row, slot].tolist()
        return y + 0.2 * half_height - box.bottom > FALL
    return thing.pose == "flying"


def _related(
    batch: Batch, row: int, boxes: Sequence[Box], seen: Sequence[SeenThing], *, blurred: bool
) -> tuple[tuple[int, ...], str | None, bool]:
    """The order in which a caption names the things, how they stand, and whether that is plain to see."""
    scene = batch.scenes[row]
    if len(boxes) < 2:
        return (0,), None, True
    if len(boxes) == 3:
        return _three(boxes)
    is_flat = blurred or scene.style == "silhouette"  # things that meet are one shape
    if not is_flat:
        found = _meeting(batch, row, boxes, seen)
        if found is not None:
            return found
    dx, dy = (abs(a - b) for a, b in ((boxes[0].x, boxes[1].x), (boxes[0].y, boxes[1].y)))
    hidden = float(batch.pictures.covered[row].max())
    is_sure = abs(dx - dy) > PLAIN and (hidden < TOUCHES or is_flat)
    if dy > dx:
        return _by([box.y for box in boxes]), "above", is_sure
    return _by([box.x for box in boxes]), "left", is_sure


def _meeting(
    batch: Batch, row: int, boxes: Sequence[Box], seen: Sequence[SeenThing]
) -> tuple[tuple[int, ...], str, bool] | None:
    """Two things that touch or hide each other."""
    relation = batch.scenes[row].relation
    if relation == "wearing":
        return (0, 1), "wearing", True
    first, second = boxes
    if (
        relation == "on"
        and -4 < second.top - first.bottom + 0.3 * (second.bottom - second.top)
        and (first.left < second.x < first.right or second.left < first.x < second.right)
    ):
        return (0, 1), "on", True
    covered = [float(batch.pictures.covered[row, thing.slots[0]]) for thing in seen]
    far = int(covered[1] > covered[0])
    if covered[far] < HIDES:
        return None
    return (1 - far, far), "front", covered[far] > 1.6 * HIDES and covered[1 - far] < TOUCHES


def _three(boxes: Sequence[Box]) -> tuple[tuple[int, ...], str | None, bool]:
    """One between two others, or three things that are only there together."""
    left, middle, right = _by([box.x for box in boxes])
    is_between = boxes[middle].is_beside(boxes[left]) and boxes[middle].is_beside(boxes[right])
    if is_between:
        return (middle, left, right), "between", True
    return (left, middle, right), None, False


def _by(values: Sequence[float]) -> tuple[int, ...]:
    return tuple(sorted(range(len(values)), key=lambda number: values[number]))


def seen_style(scene: Scene) -> Scene:
    """The scene, in the common style where black shapes would merge with each other or the ground."""
    is_dark = scene.time == "night" or scene.place in ("moon", "stage") or scene.ground in ("black", "brown")
    is_one = scene.relation in ("wearing", "front", "behind")
    return replace(scene, style="3d") if scene.style == "silhouette" and (is_dark or is_one) else scene
