"""Captions of scenes in varied words, and scenes from captions."""

import re

import numpy as np

from scripts.world.scene import Scene, Thing
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, COUNTS, NOUN_INDEX, NOUNS, SIZES, STYLES

OPENINGS = ("a picture of ", "an image of ", "a drawing of ", "an emoji of ", "draw ", "a photo of ")
RELATION_PHRASES = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
    "next": ("next to", "beside"),
    None: ("and", "with"),
}
BACKGROUND_PHRASES = (
    "{ground} on {a} {colour} background",
    "{ground} on {colour}",
    "{ground} in front of {a} {colour} background",
    "{ground}, {colour} background",
    "{ground} with {a} {colour} background",
)
FILLERS = (
    "nice",
    "cute",
    "beautiful",
    "lovely",
    "simple",
    "pretty",
    "good",
    "single",
    "very",
    "please",
    "funny",
)
ENDINGS = ("", "", "", "", "", "", "", "", ".", "!")
_SINGULAR = {noun.word: noun.word for noun in NOUNS} | {noun.plural: noun.word for noun in NOUNS}
_NUMBERS = {word: count for count, word in COUNTS.items()}


def every_word() -> list[str]:
    """All words that a caption can contain, sorted."""
    phrases = [*OPENINGS, *(p for options in RELATION_PHRASES.values() for p in options), *BACKGROUND_PHRASES]
    words = {word for phrase in phrases for word in re.findall(r"[a-z]+", re.sub(r"\{\w+\}", "", phrase))}
    words |= {*FILLERS, *SIZES, *STYLES, *COLOURS, *BACKGROUNDS, *_NUMBERS, *_SINGULAR}
    return sorted(words | {"a", "an", "the", "one", "some", "style", "grey"})


def describe(scene: Scene, rng: np.random.Generator) -> str:
    """A caption that says all that the scene holds, in words chosen by `rng`."""
    inside = scene.style != "3d" and rng.random() < 0.4
    spoken = scene.style if scene.style != "3d" or rng.random() < 0.1 else None
    text = _phrase(scene.things[0], rng, spoken if inside else None)
    if len(scene.things) == 2:
        joined = _pick(RELATION_PHRASES[scene.relation], rng)
        text = f"{text} {joined} {_phrase(scene.things[1], rng, spoken if inside else None)}"
    if rng.random() < 0.25:
        text = _pick(OPENINGS, rng) + text
    if scene.background is not None:
        pattern = BACKGROUND_PHRASES[0] if rng.random() < 0.5 else _pick(BACKGROUND_PHRASES, rng)
        text = pattern.format(ground=text, a=_article(scene.background), colour=scene.background)
    if spoken and not inside:
        text += _pick((f", {spoken}", f", {spoken} style", f" in {spoken} style"), rng)
    return text + _pick(ENDINGS, rng)


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _phrase(thing: Thing, rng: np.random.Generator, style: str | None) -> str:
    filler = _pick(FILLERS, rng) if rng.random() < 0.06 else None
    words = [word for word in (filler, thing.size, style, thing.colour) if word]
    if thing.count > 1:
        return " ".join([COUNTS[thing.count], *words, NOUNS[NOUN_INDEX[thing.noun]].plural])
    words.append(thing.noun)
    chance = rng.random()
    if chance < 0.65:
        words.insert(0, _article(words[0]))
    elif chance < 0.8:
        words.insert(0, "the" if chance < 0.73 else "one")
    return " ".join(words)


def parse(caption: str) -> Scene:
    """The scene that a caption describes; unknown words are ignored.

    Raises:
        ValueError: the caption contains no noun of the world.
    """
    words = re.findall(r"[a-z0-9]+", caption.lower())
    style = next((word for word in words if word in STYLES), "3d")
    words = [word for word in words if word not in STYLES and word != "style"]
    positions = [index for index, word in enumerate(words) if word in _SINGULAR][:2]
    if not positions:
        raise ValueError(f"no noun of the world in {caption!r}")
    things, start = [], 0
    for position in positions:
        things.append(_thing(words[start : position + 1]))
        start = position + 1
    between = " ".join(words[positions[0] + 1 : positions[-1]])
    return Scene(
        tuple(things), _relation(between) if len(things) == 2 else None, _ground(words[start:]), style
    )


def _thing(words: list[str]) -> Thing:
    colour = next((word for word in reversed(words) if word in COLOURS), None)
    size = next((word for word in reversed(words) if word in SIZES), None)
    count = next((_NUMBERS[word] for word in words if word in _NUMBERS), 1)
    return Thing(_SINGULAR[words[-1]], colour, size, count)


def _relation(between: str) -> str | None:
    phrases = [(p, name) for name, options in RELATION_PHRASES.items() if name for p in options]
    for phrase, name in sorted(phrases, key=lambda pair: -len(pair[0])):
        if re.search(rf"\b{phrase}\b", between):
            return name
    return None


def _ground(words: list[str]) -> str | None:
    return next((word for word in words if word in BACKGROUNDS), None)
