"""Prompts as the U-Net sees them, with the way back from every token to the characters it came from."""

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

MAX_CACHED_PROMPTS = 256


class PromptCut(UserWarning):
    """A prompt is longer than the text encoder reads; the message names the words that have no effect."""


@dataclass(frozen=True, slots=True)
class Token:
    """One position of the context.

    Attributes:
        text: the piece as the tokenizer knows it, `</w>` at a word's end.
        span: characters [start, end) of the prompt; empty for start, end and padding.
    """

    text: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Conditioning:
    """A prompt, encoded: the text embeddings, those pooled (SDXL), and the tokens they belong to."""

    context: Float[Tensor, "m c"]
    pooled: Float[Tensor, " p"] | None
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class ClipEncoder:
    """A CLIP text model with its tokenizer.

    Attributes:
        penultimate: take the last hidden state but one, without the final norm, as SDXL does.
    """

    tokenizer: Any
    model: Any
    penultimate: bool = False

    def tokenize(self, prompt: str) -> tuple[list[int], tuple[Token, ...]]:
        """Ids and tokens of one chunk: start, the prompt, end, padding.

        Warns:
            PromptCut: the prompt does not fit.
        """
        length = self.model.config.max_position_embeddings
        full = self.tokenizer(prompt, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        ids, spans = full["input_ids"], full["offset_mapping"]
        if len(ids) > length - 2:
            kept = prompt[: spans[length - 3][1]]
            warnings.warn(
                f"the prompt has {len(ids)} tokens and the text encoder reads {length - 2}; "
                f"without effect: {prompt[len(kept) :].strip()!r}",
                PromptCut,
                stacklevel=2,
            )
            ids, spans = ids[: length - 2], spans[: length - 2]
        bos, eos, pad = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
        padding = length - 2 - len(ids)
        ids = [bos, *ids, eos] + [pad] * padding
        spans = [(0, 0), *map(tuple, spans), (0, 0)] + [(0, 0)] * padding
        pieces = self.tokenizer.convert_ids_to_tokens(ids)
        return ids, tuple(Token(piece, span) for piece, span in zip(pieces, spans, strict=True))

    @torch.inference_mode()
    def encode(self, prompt: str) -> Conditioning:
        ids, tokens = self.tokenize(prompt)
        out = self.model(
            torch.tensor([ids], device=self.model.device),
            output_hidden_states=self.penultimate,
            return_dict=True,
        )
        context = out.hidden_states[-2] if self.penultimate else out.last_hidden_state
        pooled = out.text_embeds[0] if hasattr(out, "text_embeds") else None
        return Conditioning(context[0], pooled, tokens)


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
    def num_tokens(self) -> int:
        """Length of a context."""
        return self.encoders[0].model.config.max_position_embeddings

    def prompt(self, text: str) -> Conditioning:
        if text in self._cache:
            self._cache.move_to_end(text)
            return self._cache[text]
        parts = [encoder.encode(text) for encoder in self.encoders]
        pooled = [part.pooled for part in parts if part.pooled is not None]
        encoded = Conditioning(
            torch.cat([part.context for part in parts], dim=-1),
            pooled[-1] if pooled else None,
            parts[0].tokens,
        )
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
