"""A CLIP text encoder for prompts of any length; each token keeps the characters that it came from."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.requests.values import SyntaxName
from limelight.pipeline.text.a1111 import chunks_at_commas, parse_a1111, rescaled
from limelight.pipeline.text.syntax import Part, parse

MAX_CHUNKS = 8
_OPEN_CLIP_H = 1024  # the width of Stable Diffusion 2's encoder


@dataclass(frozen=True, slots=True)
class Token:
    """One position of the context.

    Attributes:
        text: the token as the tokenizer writes it, with `</w>` at the end of a word.
        span: characters [start, end) of the prompt as typed; empty for start, end and padding.
        weight: how far it is moved from the embedding of an empty prompt; 1 leaves it as encoded.
        is_learned: whether it is a vector of a textual inversion; all vectors of a word have the word's span.
    """

    text: str
    span: tuple[int, int] = (0, 0)
    weight: float = 1.0
    is_learned: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """A prompt, encoded by one encoder."""

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

    A prompt that is too long for the model is split into chunks, which are encoded separately and
    concatenated in the context. `BREAK` begins a new chunk.

    Attributes:
        penultimate: whether the context is the second to last hidden state, without the final norm, as in
            SDXL.
        learned: word of a textual inversion, in lower case -> the ids of its vectors.
    """

    tokenizer: Any
    model: Any
    penultimate: bool = False
    learned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Tokens of one chunk, including start and end."""
        return self.model.config.max_position_embeddings

    def chunks(self, prompt: str, syntax: SyntaxName = "limelight") -> list[_Chunk]:
        """The chunks of a prompt that the model reads: at least one, at most `MAX_CHUNKS`."""
        return [self._framed(chunk) for chunk in self._all_chunks(prompt, syntax)[:MAX_CHUNKS]]

    def cut(self, prompt: str, syntax: SyntaxName = "limelight") -> str:
        """A warning for a prompt that does not fit into `MAX_CHUNKS`; empty if it fits."""
        chunks = self._all_chunks(prompt, syntax)
        left = [token for chunk in chunks[MAX_CHUNKS:] for token in chunk.tokens]
        if not left:
            return ""
        return (
            f"the prompt takes {len(chunks)} chunks of {self.length - 2} tokens and {MAX_CHUNKS} are "
            f"read; without effect: {prompt[left[0].span[0] :]!r}"
        )

    def _all_chunks(self, prompt: str, syntax: SyntaxName) -> list[_Chunk]:
        parts = parse(prompt) if syntax == "limelight" else parse_a1111(prompt)
        return [chunk for part in parts for chunk in self._chunks_of(part, syntax)]

    def _chunks_of(self, part: Part, syntax: SyntaxName) -> list[_Chunk]:
        pairs = [pair for start, end in self._stretches(part) for pair in self._read(part, start, end)]
        ids, tokens = [id for id, _ in pairs], [token for _, token in pairs]
        pieces, room = [token.text for token in tokens], self.length - 2
        ends = chunks_at_words(pieces, room) if syntax == "limelight" else chunks_at_commas(pieces, room)
        return [_Chunk(ids[start:end], tokens[start:end]) for start, end in ends]

    def _stretches(self, part: Part) -> Iterator[tuple[int, int]]:
        """The stretches that are tokenized separately: words of textual inversions, and the text in
        between."""
        pattern = _any_of(self.learned) if self.learned else None
        for start, end in part.stretches():
            for match in pattern.finditer(part.text, start, end) if pattern else ():
                yield start, match.start()
                yield match.span()
                start = match.end()
            yield start, end

    def _read(self, part: Part, start: int, end: int) -> Iterator[tuple[int, Token]]:
        """Ids and tokens of one stretch of a part of the prompt."""
        text = part.text[start:end]
        if ids := self.learned.get(text.lower()):
            for i, id in enumerate(ids):
                piece = (text if i == 0 else f"{text}_{i}") + ("</w>" if i == len(ids) - 1 else "")
                yield id, Token(piece, part.span(start, end), part.weights[start], is_learned=True)
            return
        read = self.tokenizer(text, return_offsets_mapping=True, add_special_tokens=False, verbose=False)
        pieces = self.tokenizer.convert_ids_to_tokens(read["input_ids"])
        for id, piece, (a, b) in zip(read["input_ids"], pieces, read["offset_mapping"], strict=True):
            yield id, Token(piece, part.span(start + a, start + b), part.weights[start + a])

    def _framed(self, chunk: _Chunk) -> _Chunk:
        """The chunk with start, end and padding."""
        bos, eos, pad = (getattr(self.tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad"))
        padding = self.length - 2 - len(chunk.ids)
        first, last, fill = (Token(piece) for piece in self.tokenizer.convert_ids_to_tokens([bos, eos, pad]))
        return _Chunk(
            [bos, *chunk.ids, eos] + [pad] * padding, [first, *chunk.tokens, last] + [fill] * padding
        )

    @property
    def max_clip_skip(self) -> int:
        return self.model.config.num_hidden_layers

    @torch.inference_mode()
    def encode(self, prompt: str, *, clip_skip: int = 1, syntax: SyntaxName = "limelight") -> Encoded:
        """Encodes a prompt. The embeddings come from the layer that the model was trained with, or from one
        that is `clip_skip - 1` layers earlier.

        In AUTOMATIC1111's syntax, layers are skipped only in Stable Diffusion 1's encoder.
        """
        if syntax == "a1111" and not self._is_skipped_by_a1111:
            clip_skip = 1
        chunks = self.chunks(prompt, syntax)
        encoded = [self._encode_ids(chunk.ids, clip_skip) for chunk in chunks]
        contexts = [context for context, _ in encoded]
        tokens = [token for chunk in chunks for token in chunk.tokens]
        is_weighted = any(token.weight != 1 for token in tokens)
        if is_weighted and syntax == "a1111":
            contexts = [
                rescaled(context, [token.weight for token in chunk.tokens])
                for context, chunk in zip(contexts, chunks, strict=True)
            ]
        elif is_weighted:
            empty, _ = self._encode_ids(self._framed(_Chunk([], [])).ids, clip_skip)
            contexts = [
                weigh(context, empty, [token.weight for token in chunk.tokens])
                for context, chunk in zip(contexts, chunks, strict=True)
            ]
        return Encoded(torch.cat(contexts), encoded[0][1], tuple(tokens))

    @property
    def _is_skipped_by_a1111(self) -> bool:
        return not self.penultimate and self.model.config.hidden_size != _OPEN_CLIP_H

    def _encode_ids(self, ids: list[int], clip_skip: int) -> tuple[Tensor, Tensor | None]:
        """The context m c and the pooled embedding of one chunk."""
        out = self.model(
            torch.tensor([ids], device=self.model.device),
            output_hidden_states=self.penultimate or clip_skip > 1,
            return_dict=True,
        )
        if self.penultimate:
            context = out.hidden_states[-1 - clip_skip]
        elif clip_skip > 1:
            norm = getattr(self.model, "text_model", self.model).final_layer_norm
            context = norm(out.hidden_states[-clip_skip])
        else:
            context = out.last_hidden_state
        return context[0], out.text_embeds[0] if hasattr(out, "text_embeds") else None


def weigh(
    context: Float[Tensor, "m c"], empty: Float[Tensor, "m c"], weights: Sequence[float]
) -> Float[Tensor, "m c"]:
    """Interpolates each embedding between that of an empty prompt (weight 0) and its own (weight 1).

    Weights above 1 extrapolate, which strengthens a token.
    """
    w = torch.tensor(weights, dtype=context.dtype, device=context.device)[:, None]
    return torch.lerp(empty, context, w)


def chunks_at_words(pieces: Sequence[str], room: int) -> list[tuple[int, int]]:
    """Tokens [start, end) of each chunk. A chunk ends at the end of a word, unless one word fills it."""
    chunks: list[tuple[int, int]] = []
    start = 0
    while start < len(pieces) or not chunks:
        end = min(start + room, len(pieces))
        if end < len(pieces):
            at_words = (last for last in range(end, start, -1) if pieces[last - 1].endswith("</w>"))
            end = next(at_words, end)
        chunks.append((start, end))
        start = end
    return chunks


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for whole words, the longest first, that ignores case."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(
        "|".join(rf"(?<!\w(?=\w)){re.escape(word)}(?!(?<=\w)\w)" for word in longest_first), re.I
    )
