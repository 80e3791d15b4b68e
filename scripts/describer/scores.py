"""How much of a picture the describer says rightly, atom by atom, and where its words look."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.pipeline.describer.doubt import sure_words
from limelight.pipeline.describer.network import GRID, Reader
from limelight.pipeline.describer.vocabulary import ASK, DESCRIBE, END, NUMBERS, Words
from limelight.pipeline.describer.writing import Written, write
from scripts.describer import questions
from scripts.describer.captions import Region, caption
from scripts.describer.data import Shown
from scripts.describer.view import COLOUR_WORDS, SeenThing, View
from scripts.training.scoring.map_scores import iou, pointing
from scripts.world.composer import PIXELS
from scripts.world.vocabulary import BACKGROUNDS, NOUNS, SIZES

BATCH = 64
THRESHOLDS = (0.3, 0.4, 0.5)  # shares of a map's largest value
_SINGULAR = {noun.plural: noun.word for noun in NOUNS} | {noun.word: noun.word for noun in NOUNS}


@dataclass(frozen=True)
class Said:
    """A thing as a caption names it."""

    noun: str | None
    colour: str | None
    size: str | None
    count: int


def written_captions(reader: Reader, words: Words, images: Tensor) -> list[Written]:
    """The captions that the describer writes for pictures in -1..1."""
    begin, end = words.ids([DESCRIBE, END])
    found: list[Written] = []
    for part in images.split(BATCH):
        found += write(reader, reader.look(part), torch.full((len(part), 1), begin), end=end)
    return found


def said_in(text: Sequence[str]) -> tuple[list[Said], str | None, str | None, bool]:
    """A caption's things, the word between them (`above`, `left` or None), its ground, and whether it says
    that the style is flat."""
    where = text.index("on") if "on" in text else len(text)
    ground = next((word for word in text[where:] if word in BACKGROUNDS), None)
    relation = next((word for word in ("above", "left") if word in text[:where]), None)
    things: list[Said] = []
    parts: list[str] = []
    for word in [*text[:where], "end"]:
        if word in ("above", "to", "and", "end"):
            if parts and parts[0] != "nothing":
                things.append(_thing(parts))
            parts = []
        elif word not in ("the", "left", "of"):
            parts.append(word)
    return things, relation, ground, "flat" in text


def _thing(parts: Sequence[str]) -> Said:
    noun = next((_SINGULAR[word] for word in parts if word in _SINGULAR), None)
    colour = next((word for word in parts if word in COLOUR_WORDS), None)
    size = next((word for word in parts if word in SIZES), None)
    count = next((NUMBERS.index(word) for word in parts if word in NUMBERS[2:]), 1)
    return Said(noun, colour, size, count)


def atoms(view: View, text: Sequence[str]) -> Iterable[tuple[str, bool]]:
    """Kind of each atom of a view, and whether a caption has it right. A thing is looked for in its place in
    the order of things."""
    things, relation, ground, flat = said_in(text)
    for thing, said in zip(view.things, [*things, None, None], strict=False):
        yield "thing", said is not None and said.noun == thing.noun
        if thing.colour:
            yield "colour", said is not None and said.colour == thing.colour
        yield "count", said is not None and said.count == thing.count
        if thing.size:
            yield "size", said is not None and said.size == thing.size
    if len(view.things) == 2:
        yield "relation", len(things) == 2 and relation == ("above" if view.vertical else "left")
    yield "place", ground == view.ground
    yield "style", flat == view.flat


@torch.inference_mode()
def captions_right(reader: Reader, words: Words, shown: Shown) -> dict[str, float]:
    """The share of captions that are right word for word, and of atoms of each kind."""
    texts = [_words(words, text) for text in written_captions(reader, words, shown.images)]
    true = [[word for word, _ in caption(view)] for view in shown.views]
    rates: dict[str, list[bool]] = {"whole caption": [a == b for a, b in zip(texts, true, strict=True)]}
    for view, text in zip(shown.views, texts, strict=True):
        for kind, right in atoms(view, text):
            rates.setdefault(kind, []).append(right)
    return {kind: float(np.mean(found)) for kind, found in rates.items()}


@torch.inference_mode()
def answers_right(
    reader: Reader, words: Words, shown: Shown, rng: np.random.Generator
) -> dict[str, tuple[float, int]]:
    """The share of right answers to each kind of question, and how many were asked: one of each kind for each
    picture."""
    end = words.ids([END])[0]
    found: dict[str, tuple[float, int]] = {}
    seen = [reader.look(image[None]) for image in shown.images]
    for _, kind in questions.KINDS:
        right = []
        for view, picture in zip(shown.views, seen, strict=True):
            question, answer = kind(view, rng)
            ids = words.ids([ASK, *(word for word, _ in question), "?"])
            text = write(reader, picture, torch.tensor([ids]), end=end)[0]
            right.append(_words(words, text) == [word for word, _ in answer])
        found[kind.__name__.replace("_", " ")] = float(np.mean(right)), len(right)
    return found


@torch.inference_mode()
def regions_right(reader: Reader, words: Words, shown: Shown) -> dict[str, dict[str, float]]:
    """For each kind of word of the true caption: how many there are, how often the largest value of its map
    lies on what it names, and the IoU of the map above a share of its largest value."""
    found: dict[str, list[tuple[Tensor, Tensor]]] = {"thing": [], "colour": [], "place": []}
    begin = words.ids([DESCRIBE])[0]
    for view, image, masks in zip(shown.views, shown.images, shown.pictures.masks, strict=True):
        spoken = caption(view)
        ids = torch.tensor([[begin, *words.ids([word for word, _ in spoken])]])
        _, maps = reader(ids, reader.look(image[None]))
        nouns = {thing.noun for thing in view.things if thing.noun}
        for at, (word, region) in enumerate(spoken, 1):
            kind = "place" if region == "ground" else "thing" if _SINGULAR.get(word) in nouns else ""
            if region is not None and region != "ground" and word in COLOUR_WORDS:
                kind = "colour"
            if kind and word != "background":
                fine = F.interpolate(
                    maps[0, at].unflatten(0, (GRID, GRID))[None, None], size=(PIXELS, PIXELS), mode="bicubic"
                )
                found[kind].append((fine[0, 0].clamp(min=0), _mask(masks, region)))
    return {kind: _agreement(pairs) for kind, pairs in found.items() if pairs}


def _agreement(pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float]:
    maps, masks = torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])
    maps = maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-8)
    scores = {"words": float(len(pairs)), "pointing": pointing(maps, masks).mean().item()}
    return scores | {f"IoU {share}": iou(maps, masks, share).mean().item() for share in THRESHOLDS}


def _mask(masks: Tensor, region: Region) -> Tensor:
    shown = 1 - masks.sum(0) if region == "ground" else masks[list(region or ())].sum(0)
    return shown > 0.5


def _words(words: Words, text: Written) -> list[str]:
    return [words.tokens[id] for id in text.ids]


def named_rightly(
    reader: Reader, words: Words, shown: Shown, suits: Callable[[SeenThing], bool]
) -> tuple[float, int]:
    """Of the things that suit, the share whose noun is right, and how many; a thing without a word is
    right if it is called something."""
    right = []
    for view, text in zip(shown.views, written_captions(reader, words, shown.images), strict=True):
        sure = sure_words(_words(words, text), text.chances, words)
        things = said_in([word for word, _ in sure])[0]
        for thing, said in zip(view.things, [*things, None, None], strict=False):
            if suits(thing):
                right.append(said is not None and said.noun == thing.noun)
    return float(np.mean(right)) if right else 0.0, len(right)
