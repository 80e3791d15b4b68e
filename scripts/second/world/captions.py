"""Captions of scenes in varied words, and what each word names."""

from dataclasses import dataclass
from random import Random

from limelight.pipeline.describer.vocabulary import article
from scripts.second.world.nouns import NOUN_INDEX, NOUNS
from scripts.second.world.phrases import (
    BARE,
    CLOSINGS,
    FILLERS,
    GROUND_PHRASES,
    MATERIAL_WORDS,
    OPENINGS,
    POSE_WORDS,
    RELATION_PHRASES,
    SIZE_WORDS,
    STUFF_PHRASES,
    STYLE_PHRASES,
    SYNONYMS,
    TIME_PHRASES,
    WEATHER_PHRASES,
)
from scripts.second.world.places import GROUNDS, PLACE_INDEX, PLACES
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.vocabulary import COLOURS, COUNTS

MOST_THINGS = 3
BACKDROP = MOST_THINGS + 4  # after the things and the layers
NOTHING = -1
Words = list[tuple[str, int]]


@dataclass(frozen=True)
class Caption:
    """`words` without spaces, a comma is one; `names[i]` is what word i names: a thing's number,
    `MOST_THINGS` plus a layer's, `BACKDROP` for all layers together, `NOTHING`. `heads`: the last word of
    each thing's noun."""

    words: tuple[str, ...]
    names: tuple[int, ...]
    heads: tuple[int, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words).replace(" ,", ",").replace(" .", ".")


def describe(scene: Scene, rng: Random) -> Caption:
    """A caption that describes the scene, in words chosen by `rng`."""
    words: Words = []
    heads: list[int] = []
    style = _chosen(STYLE_PHRASES[scene.style], rng) if _says_style(scene, rng) else ""
    is_first = style.endswith(" of")  # "a sketch of a fox"
    if is_first:
        words += _plain(style)
    elif rng.random() < 0.2:
        words += _plain(rng.choice(OPENINGS))
    words += _things(scene, rng, heads, len(words))
    words += _where(scene, rng)
    if style and not is_first:
        words += _plain(style)
    if rng.random() < 0.08:
        words += _plain(rng.choice(CLOSINGS))
    texts, names = zip(*words, strict=True)
    return Caption(texts, names, tuple(heads))


def _says_style(scene: Scene, rng: Random) -> bool:
    return scene.style != "3d" or rng.random() < 0.05


def _chosen(phrases: tuple[str, ...], rng: Random) -> str:
    """Chooses a phrase: half of the time the first, which people type most."""
    return phrases[0] if rng.random() < 0.5 else rng.choice(phrases)


def _plain(phrase: str, name: int = NOTHING) -> Words:
    return [(word, name) for word in phrase.split()]


def _things(scene: Scene, rng: Random, heads: list[int], start: int) -> Words:
    words = _phrase(scene.things[0], 0, rng)
    heads.append(start + _head(words, 0))
    for number, thing in enumerate(scene.things[1:], 1):
        joined = _joint(scene, number, rng)
        words += _plain(joined)
        found = _phrase(thing, number, rng, is_worn=scene.relation == "wearing")
        heads.append(start + len(words) + _head(found, number))
        words += found
        if scene.relation == "wearing" and joined == "with":
            words += _plain("on")
    return words


def _head(words: Words, number: int) -> int:
    """The index of the noun in a thing's phrase: the last word that names the thing, except for words after
    the noun."""
    return max(index for index, (word, name) in enumerate(words) if name == number and word not in _AFTER)


_AFTER = {
    word
    for phrases in (POSE_WORDS, MATERIAL_WORDS)
    for after in phrases.values()
    for word in after[1].split()
}


def _joint(scene: Scene, number: int, rng: Random) -> str:
    if scene.relation is None:
        if len(scene.things) > 2:
            return "," if number == 1 else "and"
        return rng.choice(("and", "and", "with"))
    if scene.relation == "between":
        return _chosen(RELATION_PHRASES["between"], rng) if number == 1 else "and"
    return _chosen(RELATION_PHRASES[scene.relation], rng)


def _phrase(thing: Thing, number: int, rng: Random, is_worn: bool = False) -> Words:
    noun = NOUNS[NOUN_INDEX[thing.noun]]
    before, after = [], []
    if thing.size:
        before.append(_chosen(SIZE_WORDS[thing.size], rng))
    if thing.pose:
        short, long = POSE_WORDS[thing.pose]
        if rng.random() < 0.35:
            after.append(long)
        else:
            before.append(short)
    if thing.material:
        short, long = MATERIAL_WORDS[thing.material]
        if rng.random() < 0.2 and not thing.pose:
            after.append(long)
        else:
            before.append(short)
    if thing.colour:
        before.append(thing.colour)
    if rng.random() < 0.05:
        before.insert(0, rng.choice(FILLERS))
    word = noun.plural if thing.count > 1 else noun.word
    if thing.count == 1 and thing.noun in SYNONYMS and rng.random() < 0.25:
        word = rng.choice(SYNONYMS[thing.noun])
    described = " ".join([*before, word, *after]).split()
    words = [(w, NOTHING if w in FILLERS else number) for w in described]
    chance = rng.random()
    if thing.count > 1:
        return [(COUNTS[thing.count], number), *words]
    if chance < 0.8 or is_worn:
        return [*_plain("" if word in BARE else article(described[0])), *words]
    return [*_plain("the" if chance < 0.87 else "one"), *words] if chance < 0.92 else words


def _where(scene: Scene, rng: Random) -> Words:
    if scene.place is None:
        if not scene.said:
            return []
        before, after = _chosen(GROUND_PHRASES, rng).split("{colour}")
        if before.endswith("a "):
            before = f"{before[:-2]}{article(scene.ground)} "
        return [*_plain(before), (scene.ground, BACKDROP), *_plain(after, BACKDROP)]
    place, words = PLACES[PLACE_INDEX[scene.place]], []
    if scene.said:
        phrase = _chosen(place.phrases, rng).split()
        words += [*_plain(" ".join(phrase[:-1])), (phrase[-1], BACKDROP)]
    if rng.random() < (0.15 if scene.said else 0.3):
        words += _stuff(scene, rng)
    if scene.time != "day" and rng.random() < 0.92:
        words += _plain(_chosen(TIME_PHRASES[scene.time], rng))
    if scene.weather and rng.random() < 0.92:
        words += _plain(_chosen(WEATHER_PHRASES[scene.weather], rng))
    return words


def _stuff(scene: Scene, rng: Random) -> Words:
    """A word for one layer of the place; layers of the same word are named together by the last of them."""
    layers = PLACES[PLACE_INDEX[scene.place or ""]].layers
    named = [index for index, layer in enumerate(layers) if layer.word and layer.word != scene.place]
    if not named:
        return []
    index = rng.choice(named)
    kind = "sky" if layers[index].is_sky else "floor" if index == len(layers) - 1 else "back"
    before, after = rng.choice(STUFF_PHRASES[kind]).split("{stuff}")
    return [*_plain(before), (layers[index].word or "", MOST_THINGS + index), *_plain(after)]


def every_word() -> list[str]:
    """All words that a caption can contain, sorted."""
    groups = [
        *OPENINGS,
        *CLOSINGS,
        *FILLERS,
        *GROUND_PHRASES,
        *COUNTS.values(),
        *(
            p
            for table in (RELATION_PHRASES, SIZE_WORDS, STYLE_PHRASES)
            for phrases in table.values()
            for p in phrases
        ),
        *(
            p
            for table in (TIME_PHRASES, WEATHER_PHRASES, STUFF_PHRASES)
            for phrases in table.values()
            for p in phrases
        ),
        *(
            p
            for table in (POSE_WORDS, MATERIAL_WORDS, SYNONYMS)
            for phrases in table.values()
            for p in phrases
        ),
        *(p for noun in NOUNS for p in (noun.word, noun.plural)),
        *(p for place in PLACES for p in place.phrases),
        *(layer.word or "" for place in PLACES for layer in place.layers),
    ]
    words = {
        word for phrase in groups for word in phrase.replace("{colour}", " ").replace("{stuff}", " ").split()
    }
    return sorted(words | {*COLOURS, *GROUNDS, "grey", "a", "an", "the", "one", "and", "with", "on", ","})
