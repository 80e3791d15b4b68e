"""How much of a picture the describer says rightly, atom by atom, and where its words look."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.pipeline.describer.doubt import is_noun, sure_words
from limelight.pipeline.describer.network import GRID, Reader
from limelight.pipeline.describer.vocabulary import ASK, DESCRIBE, END, Words
from limelight.pipeline.describer.writing import Written, write
from scripts.describer.captions import caption
from scripts.describer.questions import Kinds
from scripts.describer.said import atoms, said_in
from scripts.describer.texts import Shown, shown_by
from scripts.describer.view import SeenThing
from scripts.second.scoring.map_scores import iou, pointing

BATCH = 64
THRESHOLDS = (0.3, 0.4, 0.5)  # shares of a map's largest value


def written_captions(reader: Reader, words: Words, images: Tensor) -> list[Written]:
    """The captions that the describer writes for pictures in -1..1."""
    begin, end = words.ids([DESCRIBE, END])
    found: list[Written] = []
    for part in images.split(BATCH):
        begun = torch.full((len(part), 1), begin, device=part.device)
        found += write(reader, reader.look(part), begun, end=end)
    return found


@torch.inference_mode()
def captions_right(reader: Reader, words: Words, shown: Shown) -> dict[str, float]:
    """The share of captions that are right word for word, and of atoms of each kind."""
    texts = [_words(words, text) for text in written_captions(reader, words, shown.images)]
    true = [[word for word, _ in caption(view, words)] for view in shown.views]
    rates: dict[str, list[bool]] = {"whole caption": [a == b for a, b in zip(texts, true, strict=True)]}
    for view, text in zip(shown.views, texts, strict=True):
        for kind, right in atoms(view, text, words):
            rates.setdefault(kind, []).append(right)
    return {kind: float(np.mean(found)) for kind, found in rates.items()}


@torch.inference_mode()
def answers_right(
    reader: Reader, words: Words, kinds: Kinds, shown: Shown, rng: np.random.Generator
) -> dict[str, tuple[float, int]]:
    """The share of right answers to each kind of question, and how many were asked: one of each kind for each
    picture."""
    end = words.ids([END])[0]
    found: dict[str, tuple[float, int]] = {}
    seen = [reader.look(image[None]) for image in shown.images]
    for _, kind in kinds:
        right = []
        for view, picture in zip(shown.views, seen, strict=True):
            question, answer = kind(view, rng, words)
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
    side = shown.images.shape[-1]
    begin = words.ids([DESCRIBE])[0]
    for view, image, masks in zip(shown.views, shown.images, shown.masks, strict=True):
        spoken = caption(view, words)
        text = [word for word, _ in spoken]
        ids = torch.tensor([[begin, *words.ids(text)]])
        _, maps = reader(ids, reader.look(image[None]))
        for at, (word, region) in enumerate(spoken):
            kind = "place" if region == "ground" else "thing" if region and is_noun(text, at, words) else ""
            if region is not None and region != "ground" and not kind and word in words.looks:
                kind = "colour"
            mask = shown_by(masks, region) > 0.5
            if kind and word != "background" and mask.any():
                map = maps[0, at + 1].unflatten(0, (GRID, GRID))[None, None]
                fine = F.interpolate(map, size=(side, side), mode="bicubic")
                found[kind].append((fine[0, 0].clamp(min=0), mask))
    return {kind: _agreement(pairs) for kind, pairs in found.items() if pairs}


def _agreement(pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float]:
    maps, masks = torch.stack([a for a, _ in pairs]), torch.stack([b for _, b in pairs])
    maps = maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-8)
    scores = {"words": float(len(pairs)), "pointing": pointing(maps, masks).mean().item()}
    return scores | {f"IoU {share}": iou(maps, masks, share).mean().item() for share in THRESHOLDS}


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
        things = said_in([word for word, _ in sure], words).things
        for thing, said in zip(view.things, [*things, None, None], strict=False):
            if suits(thing):
                right.append(said is not None and said.noun == thing.noun)
    return float(np.mean(right)) if right else 0.0, len(right)
