"""Greedy decoding: the likeliest word, one after the other, until the text ends."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.caches.decoding import DecodingCache, KVCache
from limelight.pipeline.describer.network import Reader, Seen

MAX_WORDS = 40  # of a text


@dataclass(frozen=True, slots=True)
class Written:
    """A text that was written after a beginning.

    Attributes:
        ids: of its words, without the one that ends it.
        maps: of the words of the beginning and of the text, in order.
        chances: the probability of each of its words.
        first: probabilities of its first word.
    """

    ids: list[int]
    chances: list[float]
    maps: Float[Tensor, "n positions"]
    first: Float[Tensor, " words"]


@torch.inference_mode()
def write(
    reader: Reader,
    seen: Seen,
    begun: Int[Tensor, "b n"],
    *,
    end: int,
    limit: int = MAX_WORDS,
    cached: bool = True,
) -> list[Written]:
    """Continues beginnings, one for each picture.

    Args:
        end: id of the word that ends a text.
        limit: words that are written at most.
        cached: keeps keys and values of the words; without, all words are read again for each new one.
    """
    cache: DecodingCache | None = KVCache() if cached else None
    ids, maps = begun, list[Tensor]()
    read, first = begun, None
    chances: list[Tensor] = []
    ended = torch.zeros(len(begun), dtype=torch.bool, device=begun.device)
    length = begun.shape[1]
    limit = min(limit, reader.config.length - length)
    while True:
        logits, looked = reader(read, seen, cache=cache)
        maps = [*maps, looked] if cached else [looked]
        next_words = logits[:, -1].float().softmax(-1)
        first = next_words if first is None else first
        chance, word = next_words.max(-1)
        ended |= word == end
        if bool(ended.all()) or ids.shape[1] - length >= limit:
            break
        ids = torch.cat([ids, word[:, None]], 1)
        chances.append(chance)
        read = word[:, None] if cached else ids
    all_maps = torch.cat(maps, 1)
    found = []
    for row, words in enumerate(ids[:, length:].tolist()):
        words = words[: words.index(end)] if end in words else words
        sure = [float(chance[row]) for chance in chances[: len(words)]]
        found.append(Written(words, sure, all_maps[row, : length + len(words)], first[row]))
    return found
