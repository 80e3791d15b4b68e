"""Prompts as the U-Net sees them, with the way back from every token to the characters it came from."""

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.prompt import Part, parse

MAX_CACHED_PROMPTS = 256
MAX_CHUNKS = 8


class PromptCut(UserWarning):
    """A prompt is longer than what is read; the message names the words that have no effect."""


@dataclass(frozen=True, slots=True)
class Token:
    """One position of the context.

    Attributes:
        text: the piece as the tokenizer knows it, `</w>` at a word's end.
        span: characters [start, end) of the prompt as typed; empty for start, end and padding.
        weight: how far it is moved from what an empty prompt has there; 1 leaves it as encoded.
    """

    text: str
    span: tuple[int, int] = (0, 0)
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Conditioning:
    """A prompt, encoded: the text embeddings, those pooled (SDXL), and the tokens they belong to."""

    context: Float[Tensor, "m c"]
    pooled: Float[Tensor, " p"] | None
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class _Chunk:
    ids: list[int]
    tokens: list[Token]


@dataclass(frozen=True, slots=True)
class ClipEncoder:
    """A CLIP text model with its tokenizer.

    A prompt longer than the model reads becomes several chunks, each encoded by itself, side by side in the
    context; `BREAK` begins a new one.

    Attributes:
        penultimate: take the last hidden state but one, without the final norm, as SDXL does.
    """

    tokenizer: Any
    model: Any
    penultimate: bool = False

    @property
    def length(self) -> int:
        """Tokens of one chunk, start and end among them."""
        return self.model.config.max_position_embeddings

    def chunks(self, prompt: str) -> list[_Chunk]:
        """What the model reads, chunk by chunk; at least one.

        Warns:
            PromptCut: the prompt does not fit into `MAX_CHUNKS`.
        """
        chunks = [chunk for part in parse(prompt) for chunk in self._chunks_of(part)]
        if len(chunks) > MAX_CHUNKS:
            first = next(token for chunk in chunks[MAX_CHUNKS:] for token in chunk.tokens)
            warnings.warn(
                f"the prompt takes {len(chunks)} chunks of {self.length - 2} tokens and {MAX_CHUNKS} are "
                f"read; without effect: {prompt[first.span[0] :]!r}",
                PromptCut,
                stacklevel=2,
            )
        return [self._framed(chunk) for chunk in chunks[:MAX_CHUNKS]]

    def _chunks_of(self, part: Part) -> list[_Chunk]:
        read = self.tokenizer(part.text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        ids: list[int] = read["input_ids"]
        pieces = self.tokenizer.convert_ids_to_tokens(ids)
        tokens = [
            Token(piece, part.span(start, end), part.weights[start])
            for piece, (start, end) in zip(pieces, read["offset_mapping"], strict=True)
        ]
        chunks: list[_Chunk] = []
        start = 0
        while start < len(ids) or not chunks:
            end = _end_of_chunk(pieces, start, self.length - 2)
            chunks.append(_Chunk(ids[start:end], tokens[start:end]))
            start = end
        return chunks

    def _framed(self, chunk: _Chunk) -> _Chunk:
        """The chunk with start, end and padding."""
        bos, eos, pad = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
        padding = self.length - 2 - len(chunk.ids)
        first, last, fill = (Token(piece) for piece in self.tokenizer.convert_ids_to_tokens([bos, eos, pad]))
        return _Chunk(
            [bos, *chunk.ids, eos] + [pad] * padding, [first, *chunk.tokens, last] + [fill] * padding
        )

    @torch.inference_mode()
    def encode(self, prompt: str) -> Conditioning:
        chunks = self.chunks(prompt)
        encoded = [self._encode_ids(chunk.ids) for chunk in chunks]
        contexts = [context for context, _ in encoded]
        tokens = [token for chunk in chunks for token in chunk.tokens]
        if any(token.weight != 1 for token in tokens):
            empty, _ = self._encode_ids(self._framed(_Chunk([], [])).ids)
            contexts = [
                weigh(context, empty, [token.weight for token in chunk.tokens])
                for context, chunk in zip(contexts, chunks, strict=True)
            ]
        return Conditioning(torch.cat(contexts), encoded[0][1], tuple(tokens))

    def _encode_ids(self, ids: list[int]) -> tuple[Tensor, Tensor | None]:
        """Context m c and what is pooled, of one chunk."""
        out = self.model(
            torch.tensor([ids], device=self.model.device),
            output_hidden_states=self.penultimate,
            return_dict=True,
        )
        context = out.hidden_states[-2] if self.penultimate else out.last_hidden_state
        return context[0], out.text_embeds[0] if hasattr(out, "text_embeds") else None


def weigh(
    context: Float[Tensor, "m c"], empty: Float[Tensor, "m c"], weights: Sequence[float]
) -> Float[Tensor, "m c"]:
    """Moves each embedding away from, or towards, what an empty prompt has in its place.

    At weight 0 a token says as much as no word does, at 1 it is as encoded, above it says more.
    """
    w = torch.tensor(weights, dtype=context.dtype, device=context.device)[:, None]
    return torch.lerp(empty, context, w)


def repeat_to(context: Float[Tensor, "m c"], length: int) -> Float[Tensor, "n c"]:
    """The context several times over, `length` tokens long, which attention reads as if it were there once.

    Every key has the same number of copies, so each copy takes an equal part of the key's probability.
    """
    return context.repeat(length // len(context), 1)


def _end_of_chunk(pieces: Sequence[str], start: int, room: int) -> int:
    """Where the chunk that begins at `start` ends: at a word's end, unless one word fills it all."""
    end = min(start + room, len(pieces))
    if end == len(pieces):
        return end
    for last in range(end, start, -1):
        if pieces[last - 1].endswith("</w>"):
            return last
    return end


class TextEncoder:
    """One or two CLIP encoders whose embeddings stand side by side in one context.

    A prompt is encoded alone, never in a batch, so that its embeddings do not depend on its neighbours.

    Args:
        zero_empty_negative: an empty negative prompt is zeros (SDXL's `force_zeros_for_empty_prompt`).
    """

    def __init__(self, encoders: Sequence[ClipEncoder], *, zero_empty_negative: bool = False) -> None:
        self.encoders = tuple(encoders)
        self.zero_empty_negative = zero_empty_negative
        self._cache: OrderedDict[str, Conditioning] = OrderedDict()

    @property
    def length(self) -> int:
        """Tokens of one chunk; a context has a multiple of it."""
        return self.encoders[0].length

    def forget(self) -> None:
        """Empties the cache; for when the encoders' weights have changed."""
        self._cache.clear()

    def prompt(self, text: str) -> Conditioning:
        if text in self._cache:
            self._cache.move_to_end(text)
            return self._cache[text]
        parts = [encoder.encode(text) for encoder in self.encoders]
        context = torch.cat([part.context for part in parts], dim=-1)
        encoded = Conditioning(context, parts[-1].pooled, parts[0].tokens)
        self._cache[text] = encoded
        if len(self._cache) > MAX_CACHED_PROMPTS:
            self._cache.popitem(last=False)
        return encoded

    def negative(self, text: str) -> Conditioning:
        encoded = self.prompt(text)
        if text or not self.zero_empty_negative:
            return encoded
        pooled = None if encoded.pooled is None else torch.zeros_like(encoded.pooled)
        return Conditioning(torch.zeros_like(encoded.context), pooled, encoded.tokens)
