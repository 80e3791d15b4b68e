"""A CLIP text encoder that reads prompts of any length, with the way back from every token to the characters
it came from."""

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
        text: the piece as the tokenizer knows it, `</w>` at a word's end.
        span: characters [start, end) of the prompt as typed; empty for start, end and padding.
        weight: how far it is moved from what an empty prompt has there; 1 leaves it as encoded.
        is_learned: one vector of a textual inversion; all vectors of a word have the span of the word.
    """

    text: str
    span: tuple[int, int] = (0, 0)
    weight: float = 1.0
    is_learned: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """What one encoder makes of a prompt."""

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
        learned: word of a textual inversion, in lower case -> the ids of its vectors.
    """

    tokenizer: Any
    model: Any
    penultimate: bool = False
    learned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """Tokens of one chunk, start and end among them."""
        return self.model.config.max_position_embeddings

    def chunks(self, prompt: str, syntax: SyntaxName = "limelight") -> list[_Chunk]:
        """What the model reads, chunk by chunk; at least one, at most `MAX_CHUNKS`."""
        return [self._framed(chunk) for chunk in self._all_chunks(prompt, syntax)[:MAX_CHUNKS]]

    def cut(self, prompt: str, syntax: SyntaxName = "limelight") -> str:
        """What to say of a prompt that does not fit into `MAX_CHUNKS`; empty where it does."""
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
        """What is read by itself: words of textual inversions, and what lies between them and brackets."""
        pattern = _any_of(self.learned) if self.learned else None
        for start, end in part.stretches():
            for match in pattern.finditer(part.text, start, end) if pattern else ():
                yield start, match.start()
                yield match.span()
                start = match.end()
            yield start, end

    def _read(self, part: Part, start: int, end: int) -> Iterator[tuple[int, Token]]:
        """Ids and tokens of one stretch of a part."""
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
        """A prompt, by the layer that the model was trained on or by one `clip_skip - 1` layers before it.

        AUTOMATIC1111 skips layers of Stable Diffusion 1's encoder alone.
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
        """Context m c and what is pooled, of one chunk."""
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
    """Moves each embedding away from, or towards, what an empty prompt has in its place.

    At weight 0 a token says as much as no word does, at 1 it is as encoded, above it says more.
    """
    w = torch.tensor(weights, dtype=context.dtype, device=context.device)[:, None]
    return torch.lerp(empty, context, w)


def chunks_at_words(pieces: Sequence[str], room: int) -> list[tuple[int, int]]:
    """Tokens [start, end) of each chunk; it ends at a word's end, unless one word fills it all."""
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
    """Finds whole words, the longest first, in upper and lower case alike."""
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(
        "|".join(rf"(?<!\w(?=\w)){re.escape(word)}(?!(?<=\w)\w)" for word in longest_first), re.I
    )
