"""Encodes prompts for the U-Net with one or two text encoders, and finds the words that tokens belong to."""

import warnings
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock
from typing import Literal, TypedDict

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.requests.values import SyntaxName
from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.clip_encoder import ClipEncoder, Token
from limelight.pipeline.text.learned import Embedding, LearnedRows
from limelight.pipeline.text.syntax import remarks
from limelight.pipeline.text.warned import PromptCut, PromptSyntax
from limelight.unet.weights.merge import MergedWeights

MAX_CACHED_PROMPTS = 256

Part = Literal["start", "word", "end", "padding"]


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


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the prompt.

    Attributes:
        text: the word as typed.
        span: its characters [start, end) in the prompt.
        tokens: positions of its tokens in the context.
        is_learned: whether a textual inversion taught it.
    """

    text: str
    span: tuple[int, int]
    tokens: tuple[int, ...]
    is_learned: bool = False


def words_of(prompt: str, tokens: Sequence[Token]) -> tuple[Word, ...]:
    """The words of the prompt, in order; tokens belong to the word that contains their characters."""
    own: dict[tuple[int, int], list[int]] = {span: [] for span in _spans(prompt, tokens)}
    spans, at = list(own), 0
    typed = sorted((token.span, i) for i, token in enumerate(tokens) if _is_typed(token))
    for (start, _), i in typed:
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        if at < len(spans) and spans[at][0] <= start:
            own[spans[at]].append(i)
    return tuple(
        Word(prompt[start:end], (start, end), tuple(found), tokens[found[0]].is_learned)
        for (start, end), found in own.items()
        if found
    )


def _spans(prompt: str, tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """The spans of words; a word of a textual inversion is one word, including its angle brackets."""
    learned = sorted({token.span for token in tokens if token.is_learned})
    spans: list[tuple[int, int]] = []
    at = 0
    for a, b in word_spans(prompt):
        while at < len(learned) and learned[at][1] <= a:
            at += 1
        if at == len(learned) or b <= learned[at][0]:
            spans.append((a, b))
    return _joined(sorted([*learned, *spans]), tokens)


def _joined(spans: list[tuple[int, int]], tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """The spans; those that touch and share a token are merged, because its attention cannot be separated."""
    bridged = {at for token in tokens for at in range(token.span[0] + 1, token.span[1])}
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start and start in bridged:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def parts_of(tokens: Sequence[Token]) -> tuple[Part, ...]:
    """The role of each position of the context; every chunk has a start, an end and often padding after
    it."""
    parts: list[Part] = []
    for token in tokens:
        if _is_typed(token):
            parts.append("word")
        elif token.text == tokens[0].text:
            parts.append("start")
        elif parts[-1] in ("start", "word"):
            parts.append("end")
        else:
            parts.append("padding")
    return tuple(parts)


def _is_typed(token: Token) -> bool:
    return token.span[0] < token.span[1]
