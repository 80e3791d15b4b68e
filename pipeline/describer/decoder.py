"""Decodes text token by token from what a decoder of BLIP reads, always the likeliest token."""

from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.adapters.cache import reading_cache
from limelight.attention.recording.queries import QueryRecorder


def with_cache(model: Any, cache: Any) -> dict[str, Any]:
    """The argument of `model.forward` for a cache, whose name differs between versions of transformers."""
    is_new = "cache" in signature(model.forward).parameters
    return {"cache" if is_new else "past_key_values": cache}


class Decoder:
    """A decoder in the middle of a text.

    Args:
        model: a `BlipTextLMHeadModel` whose attention is that of `adopt`.
        read: what its cross-attention reads: the picture, or a question.
        keeps: whether keys and values are kept from one token to the next; otherwise the whole text is read
            again for each token.
    """

    def __init__(self, model: Any, read: Float[Tensor, "1 m c"], *, keeps: bool = True) -> None:
        self._model, self._read, self._keeps = model, read, keeps
        self._recorder = QueryRecorder()
        self._ids: list[int] = []
        self._cache = self._new_cache()

    @property
    def num_read(self) -> int:
        """How many positions or tokens the decoder reads."""
        return self._read.shape[1]

    def next(self, id: int) -> tuple[Float[Tensor, " v"], Float[Tensor, " m"]]:
        """Reads a token; returns the logits of the token behind it, and what was looked at to find it."""
        self._ids.append(id)
        if not self._keeps:
            self._cache = self._new_cache()
        ids = torch.tensor([[id] if self._keeps else self._ids], device=self._read.device)
        out = self._model(
            ids,
            encoder_hidden_states=self._read,
            use_cache=True,
            **with_cache(self._model, self._cache),
        )
        return out.logits[0, -1], self._recorder.take()[0, -1]

    def _new_cache(self) -> Any:
        return reading_cache(self._model.config.num_hidden_layers, self._recorder)


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """The tokens of a text, and for each of them what the decoder looked at as it chose the token."""

    ids: list[int]
    looks: Float[Tensor, "n m"]


def write(decoder: Decoder, *, first: int, end: int, max_tokens: int) -> Written:
    """The likeliest token at each place, until the text ends or has `max_tokens`.

    Args:
        first, end: the tokens before and behind a text, which are not part of it.
    """
    ids: list[int] = []
    looks: list[Tensor] = []
    id = first
    while len(ids) < max_tokens:
        logits, look = decoder.next(id)
        id = int(logits.argmax())
        if id == end:
            break
        ids.append(id)
        looks.append(look)
    return Written(ids, torch.stack(looks) if looks else torch.zeros(0, decoder.num_read))


def encode(
    model: Any, ids: Int[Tensor, "1 n"], read: Float[Tensor, "1 m c"]
) -> tuple[Float[Tensor, "1 n c"], Float[Tensor, "n m"]]:
    """The output of a `BlipTextModel` for a question, and the probabilities of what each token looked at."""
    recorder = QueryRecorder()
    cache = reading_cache(model.config.num_hidden_layers, recorder)
    out = model(ids, encoder_hidden_states=read, **with_cache(model, cache))
    return out.last_hidden_state, recorder.take()[0]
