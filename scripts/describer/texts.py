"""Captions, questions and answers as batches of words, each with the part of the picture that it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from limelight.pipeline.describer.network import GRID
from limelight.pipeline.describer.vocabulary import ASK, DESCRIBE, END, Words
from scripts.describer import questions
from scripts.describer.captions import Region, Spoken, caption
from scripts.describer.view import View

TEXTS = 3  # of each picture: its caption, and questions
IGNORED = -100


@dataclass(frozen=True)
class Shown:
    """Pictures and what they show; `images` are in -1..1, `masks` how much of each pixel shows the thing in a
    slot."""

    views: list[View]
    images: Float[Tensor, "b 3 h w"]
    masks: Float[Tensor, "b k h w"]


class Gallery(Protocol):
    """Pictures of a world, in its words and questions, and `strangers`, which are of none."""

    words: Words
    kinds: questions.Kinds
    strangers: UInt8[Tensor, "n 3 h w"]

    def sample(
        self, count: int, rng: np.random.Generator, *, free: bool = False, held_out: bool = False
    ) -> Shown:
        """Random pictures.

        Args:
            free: as in training: some things without a word, or too blurred for one, and empty grounds.
            held_out: only combinations that training does not show.
        """
        ...


@dataclass(frozen=True)
class Texts:
    """Texts about pictures, `TEXTS` for each, as one batch.

    Attributes:
        target: the word that follows, or `IGNORED`.
        looking: flat indices into ids of the words that have a region.
        regions: of these words, as distributions over the grid's positions.
    """

    ids: Int[Tensor, "t n"]
    target: Int[Tensor, "t n"]
    looking: Int[Tensor, " m"]
    regions: Float[Tensor, "m positions"]

    def to(self, device: torch.device) -> "Texts":
        return Texts(*(each.to(device) for each in (self.ids, self.target, self.looking, self.regions)))


def texts_of(shown: Shown, words: Words, kinds: questions.Kinds, rng: np.random.Generator) -> Texts:
    """The caption of each picture, and questions with answers, on the CPU."""
    known = {word: index for index, word in enumerate(words.tokens)}
    masks = F.adaptive_avg_pool2d(shown.masks, GRID).flatten(2).cpu()
    rows: list[list[int]] = []
    targets: list[list[int]] = []
    looking: list[tuple[int, int]] = []
    regions: list[Tensor] = []
    for number, view in enumerate(shown.views):
        spoken: list[tuple[str, Spoken, Spoken]] = [(DESCRIBE, [], caption(view, words))]
        for _ in range(TEXTS - 1):
            question, answer = questions.ask(view, rng, words, kinds)
            spoken.append((ASK, [*question, ("?", None)], answer))
        for first, read, written in spoken:
            both = [(first, None), *read, *written, (END, None)]
            ids = [known[word] for word, _ in both]
            for at, (_, region) in enumerate(both):
                if region is not None:
                    looking.append((len(rows), at))
                    regions.append(_distribution(masks[number], region))
            rows.append(ids)
            targets.append([IGNORED] * len(read) + ids[len(read) + 1 :] + [IGNORED])
    length = max(map(len, rows))
    ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    target = torch.tensor([row + [IGNORED] * (length - len(row)) for row in targets])
    flat = torch.tensor([row * length + at for row, at in looking])
    return Texts(ids, target, flat, torch.stack(regions))


def shown_by(masks: Float[Tensor, "k *size"], region: Region) -> Float[Tensor, "*size"]:  # noqa: F821
    """How much of each position shows a region."""
    shown = 1 - masks.sum(0) if region == "ground" else masks[list(region or ())].sum(0)
    return shown.clamp(min=0)


def _distribution(masks: Float[Tensor, "k positions"], region: Region) -> Float[Tensor, " positions"]:
    """The positions that show a region, as a distribution."""
    shown = shown_by(masks, region)
    return shown / shown.sum().clamp(min=1e-6)


def as_images(pixels: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Pictures in -1..1."""
    return pixels.float() / 127.5 - 1


def word_list(*groups: Sequence[str]) -> tuple[str, ...]:
    """The words of phrases, each once, in their order."""
    return tuple(dict.fromkeys(word for group in groups for phrase in group for word in phrase.split()))
