"""Assigns a word to each pixel: a segmentation from maps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.text.small_words import SMALL_WORDS

THRESHOLD = 0.4  # DAAM's, Tang et al. 2022, arXiv:2210.04885, section 4.1
MAX_WORDS = 255  # an indexed PNG has 256 colours, and one stands for no word
LEAST = 0.002  # of the picture; smaller regions are slivers between objects


@dataclass(frozen=True, slots=True)
class Labels:
    """The word of each pixel.

    Attributes:
        words: the words that competed for pixels, in the prompt's order; equal words are one.
        values: 0 for no word, i + 1 for `words[i]`, at the picture's size.
        scores: the mean probability of each word over its pixels; 0 for a word without pixels.
        threshold: the fraction of the largest value of any word below which a pixel gets no word.
    """

    words: tuple[str, ...]
    values: UInt8[np.ndarray, "h w"]
    scores: tuple[float, ...]
    threshold: float

    def mask(self, word: str) -> Bool[np.ndarray, "h w"]:
        """The pixels of a word. Raises NoSuchMap if it is not one of `words`."""
        if word not in self.words:
            raise NoSuchMap(
                f"the word is {word!r}; pixels were given to {', '.join(self.words) or 'no word'}"
            )
        return self.values == self.words.index(word) + 1

    def resized(self, width: int, height: int) -> "Labels":
        """The labels for a picture that was enlarged: each pixel has the word of the nearest one."""
        rows, columns = (
            np.arange(side) * own // side
            for side, own in zip((height, width), self.values.shape, strict=True)
        )
        return replace(self, values=self.values[np.ix_(rows, columns)])


def label(maps: HeatMaps, words: Sequence[str] | None = None, *, threshold: float = THRESHOLD) -> Labels:
    """Assigns each pixel to the word that it attends to most, or to no word.

    Args:
        words: the words that compete for pixels; None takes all of the prompt except articles, prepositions
            and similar words.
        threshold: a pixel whose largest probability is below this fraction of the picture's largest gets no
            word.

    Raises:
        NoSuchMap: the prompt does not have one of the words, or too many.
        ValueError: the threshold is not between 0 and 1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold is {threshold}; must be from 0 to 1")
    names = _nameable(maps) if words is None else tuple(dict.fromkeys(words))
    if len(names) > MAX_WORDS:
        raise NoSuchMap(f"{len(names)} words compete for pixels; at most {MAX_WORDS}: name fewer")
    if not names:
        return Labels((), np.zeros(maps.size, np.uint8), (), threshold)
    stacked = torch.stack([maps.raw.word(name) for name in names])  # words h w
    top, index = stacked.max(0)
    is_none = (top < threshold * top.max()) | (top <= 0)
    values = torch.where(is_none, 0, index + 1).to(torch.uint8)
    counts = torch.bincount(values.flatten(), minlength=len(names) + 1)
    values[(counts < LEAST * values.numel())[values.long()]] = 0
    masks = [values == i + 1 for i in range(len(names))]
    scores = tuple(
        float(of[mask].mean()) if mask.any() else 0.0 for of, mask in zip(stacked, masks, strict=True)
    )
    return Labels(names, values.numpy(), scores, threshold)


def _nameable(maps: HeatMaps) -> tuple[str, ...]:
    """The words of the prompt that may be visible in a picture, each once."""
    found: dict[str, str] = {}
    for word in maps.words():
        folded = word.text.casefold()
        if folded not in SMALL_WORDS and any(c.isalnum() or ord(c) > 0x2000 for c in folded):
            found.setdefault(folded, word.text)
    return tuple(found.values())
