"""Encodes prompts for the U-Net with one or two text encoders."""

import warnings
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.requests.values import SyntaxName
from limelight.pipeline.text.clip_encoder import ClipEncoder, Token
from limelight.pipeline.text.learned import Embedding, LearnedRows
from limelight.pipeline.text.remarks import remarks
from limelight.pipeline.text.warned import PromptCut, PromptSyntax
from limelight.unet.weights.merge import MergedWeights

MAX_CACHED_PROMPTS = 256


class Reading(TypedDict):
    """How a prompt is read: the arguments of `TextEncoder.prompt` other than the text."""

    clip_skip: int
    syntax: SyntaxName


@dataclass(frozen=True, slots=True)
class Conditioning:
    """An encoded prompt: text embeddings, pooled embedding (SDXL), and tokens.

    Attributes:
        keys: for each chunk, the hash of its embeddings.
    """

    context: Float[Tensor, "m c"]
    pooled: Float[Tensor, " p"] | None
    tokens: tuple[Token, ...]
    keys: tuple[bytes, ...]


class TextEncoder:
    """One or two CLIP encoders whose embeddings are concatenated in one context.

    A prompt is encoded alone, never in a batch, so that its embeddings do not depend on other prompts.

    Args:
        zero_empty_negative: whether an empty negative prompt is encoded as zeros (SDXL's
            `force_zeros_for_empty_prompt`).

    Attributes:
        merged: the changes merged into the weights of each encoder, such as LoRAs.
    """

    def __init__(self, encoders: Sequence[ClipEncoder], *, zero_empty_negative: bool = False) -> None:
        self.encoders = tuple(encoders)
        self.zero_empty_negative = zero_empty_negative
        self.merged = tuple(MergedWeights(encoder.model) for encoder in encoders)
        self._cache: OrderedDict[Hashable, Conditioning] = OrderedDict()
        self._lock = Lock()  # engines in several threads may share a model

    @property
    def max_clip_skip(self) -> int:
        return min(encoder.max_clip_skip for encoder in self.encoders)

    @property
    def length(self) -> int:
        """Tokens of one chunk; the length of a context is a multiple of it."""
        return self.encoders[0].length

    def forget(self) -> None:
        """Empties the cache, after the encoders' weights have changed."""
        with self._lock:
            self._cache.clear()

    def learn(self, embeddings: Sequence[Embedding]) -> None:
        """Sets the words of textual inversions; words learned before are dropped."""
        learned: dict[str, tuple[int, ...]] = {}
        for embedding in embeddings:
            first = sum(map(len, learned.values()))
            ids = range(-1 - first, -1 - first - len(embedding.vectors[0]), -1)
            learned[embedding.word.lower()] = tuple(ids)
        for i, encoder in enumerate(self.encoders):
            table = encoder.model.get_input_embeddings()
            base = table.base if isinstance(table, LearnedRows) else table
            device, dtype = encoder.model.device, encoder.model.dtype
            rows = [embedding.vectors[i].to(device, dtype) for embedding in embeddings]
            encoder.model.set_input_embeddings(LearnedRows(base, torch.cat(rows)) if rows else base)
        self.encoders = tuple(replace(encoder, learned=learned) for encoder in self.encoders)
        self.forget()

    def prompt(self, text: str, *, clip_skip: int = 1, syntax: SyntaxName = "limelight") -> Conditioning:
        """Encodes a prompt.

        Args:
            clip_skip: 1 is the layer that the model was trained with, 2 the one before it.
            syntax: the meaning of brackets: Limelight's own, or AUTOMATIC1111's.

        Warns:
            PromptSyntax: something in it has no effect; once for each prompt that is not in the cache.
            PromptCut: it is too long, and its end is ignored.
        """
        key = text, clip_skip, syntax, *(each.state for each in self.merged)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        for remark in remarks(text, syntax):
            warnings.warn(remark, PromptSyntax, stacklevel=2)
        if cut := self.encoders[0].cut(text, syntax):
            warnings.warn(cut, PromptCut, stacklevel=2)
        parts = [encoder.encode(text, clip_skip=clip_skip, syntax=syntax) for encoder in self.encoders]
        context = torch.cat([part.context for part in parts], dim=-1)
        keys = content_keys(context, self.length)
        encoded = Conditioning(context, parts[-1].pooled, parts[0].tokens, keys)
        with self._lock:
            self._cache[key] = encoded
            if len(self._cache) > MAX_CACHED_PROMPTS:
                self._cache.popitem(last=False)
        return encoded

    def negative(self, text: str, *, clip_skip: int = 1, syntax: SyntaxName = "limelight") -> Conditioning:
        """Encodes a negative prompt.

        Args:
            clip_skip: used only in AUTOMATIC1111's syntax. Otherwise, as in diffusers, a negative prompt
                comes from the layer that the model was trained with.
        """
        encoded = self.prompt(text, clip_skip=clip_skip if syntax == "a1111" else 1, syntax=syntax)
        if text or not self.zero_empty_negative:
            return encoded
        pooled = None if encoded.pooled is None else torch.zeros_like(encoded.pooled)
        zeros = torch.zeros_like(encoded.context)
        return Conditioning(zeros, pooled, encoded.tokens, content_keys(zeros, self.length))

    def said_of(self, text: str, syntax: SyntaxName = "limelight") -> list[str]:
        """The warnings that `prompt` would give."""
        cut = self.encoders[0].cut(text, syntax)
        return [*remarks(text, syntax), *([cut] if cut else [])]


def content_keys(context: Float[Tensor, "m c"], length: int) -> tuple[bytes, ...]:
    """The hash of every `length` tokens of a context."""
    return tuple(
        sha256(f"{chunk.dtype} {tuple(chunk.shape)}".encode() + _bytes(chunk)).digest()
        for chunk in context.split(length)
    )


def _bytes(x: Tensor) -> bytes:
    return x.contiguous().cpu().view(torch.uint8).numpy().tobytes()
