"""What a caption says, read back from its words, and whether it is true of a view."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from limelight.pipeline.describer.vocabulary import NUMBERS, SIZES, SOMETHING, THINGS, Words
from scripts.describer.captions import RELATIONS, STYLES
from scripts.describer.view import SeenThing, View


@dataclass(frozen=True)
class SaidThing:
    """A thing as a caption names it. `look`: its colour or material."""

    noun: str | None
    look: str | None
    size: str | None
    pose: str | None
    count: int


@dataclass(frozen=True)
class Said:
    """A caption. `time` is None where it says none."""

    things: tuple[SaidThing, ...]
    relation: str | None
    ground: str | None
    place: str | None
    time: str | None
    weather: str | None
    style: str | None


def said_in(text: Sequence[str], words: Words) -> Said:
    """What the words of a caption say; they need not make sense."""
    rest = list(text)
    style = _take(rest, {name: f", {phrase}" for name, phrase in (STYLES | dict(words.styles)).items()})
    weather, time, place = (_take(rest, group) for group in (words.weathers, words.times, words.places))
    ground = None
    if "background" in rest:
        at = rest.index("background")
        ground = rest[at - 1] if at and rest[at - 1] in words.grounds else None
        rest = rest[: max(0, at - 3)]
    joints = {name: joint for name, joint in RELATIONS.items() if name is not None}
    relation = _take(rest, joints, "and")
    things: list[SaidThing] = []
    parts: list[str] = []
    for word in [*rest, "and"]:
        if word in ("and", ","):
            if parts and parts[0] != "nothing":
                things.append(_thing(parts, words))
            parts = []
        else:
            parts.append(word)
    return Said(tuple(things), relation, ground, place, time, weather, style)


def _take(rest: list[str], phrases: Mapping[str, str], put: str = "") -> str | None:
    """The name of the first phrase that the words have; it is taken out of them, and `put` in its place."""
    for name, phrase in phrases.items():
        said = phrase.split()
        for at in range(len(rest) - len(said) + 1):
            if said and rest[at : at + len(said)] == said:
                rest[at : at + len(said)] = put.split()
                return name
    return None


def _thing(parts: Sequence[str], words: Words) -> SaidThing:
    singular = {many: one for one, many in words.nouns.items()} | {one: one for one in words.nouns}
    is_named = SOMETHING not in parts and THINGS not in parts
    nouns = [at for at, word in enumerate(parts) if word in singular] if is_named else []
    before = [word for at, word in enumerate(parts) if at not in nouns[-1:]]
    return SaidThing(
        singular[parts[nouns[-1]]] if nouns else None,
        next((word for word in before if word in words.looks), None),
        next((word for word in before if word in SIZES), None),
        next((pose for pose in words.poses if pose in " ".join(before)), None),
        next((NUMBERS.index(word) for word in before if word in NUMBERS[2:]), 1),
    )


def atoms(view: View, text: Sequence[str], words: Words) -> Iterable[tuple[str, bool]]:
    """Kind of each atom of a view, and whether a caption has it right. A thing is looked for in its place in
    the order of things, or anywhere if their order is not plain."""
    said = said_in(text, words)
    for number, thing in enumerate(view.things):
        yield from _of_thing(thing, _meant(view, said, number))
    if len(view.things) > 1 and view.is_sure:
        yield "relation", len(said.things) == len(view.things) and said.relation == view.relation
    yield "place", said.place == view.place and said.ground == view.ground
    if view.time is not None:
        yield "time", (said.time or "day") == view.time
    if words.weathers and view.time is not None:
        yield "weather", said.weather == view.weather
    yield "style", said.style == view.style


def _meant(view: View, said: Said, number: int) -> SaidThing | None:
    """The thing of a caption that stands for one of a view."""
    if not view.is_sure:
        same = [each for each in said.things if each.noun == view.things[number].noun]
        if same:
            return same[0]
    return said.things[number] if number < len(said.things) else None


def _of_thing(thing: SeenThing, said: SaidThing | None) -> Iterable[tuple[str, bool]]:
    yield "thing", said is not None and said.noun == thing.noun
    if thing.look:
        kind = "material" if thing.material else "colour"
        yield kind, said is not None and said.look == thing.look
    if thing.noun:
        yield "count", said is not None and said.count == thing.count
    if thing.size:
        yield "size", said is not None and said.size == thing.size
    if thing.pose:
        yield "pose", said is not None and said.pose == thing.pose
