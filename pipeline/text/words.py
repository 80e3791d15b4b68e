"""The words of a prompt, and which positions of the context they and the other tokens take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limelight.pipeline.text.clip_encoder import Token

WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
Part = Literal["start", "word", "end", "padding"]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the prompt.

    Attributes:
        text: as typed.
        span: its characters [start, end) in the prompt.
        tokens: positions of the context that it takes.
        is_learned: a textual inversion taught it.
    """

    text: str
    span: tuple[int, int]
    tokens: tuple[int, ...]
    is_learned: bool = False


def words_of(prompt: str, tokens: Sequence[Token]) -> tuple[Word, ...]:
    """The words of the prompt, in order; sub-tokens belong to the word that their characters lie in."""
    words = []
    for start, end in _spans(prompt, tokens):
        own = tuple(i for i, token in enumerate(tokens) if _is_typed(token) and start <= token.span[0] < end)
        if own:
            words.append(Word(prompt[start:end], (start, end), own, tokens[own[0]].is_learned))
    return tuple(words)


def _spans(prompt: str, tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Where words lie; a word of a textual inversion is one, with its angle brackets if it has any."""
    learned = {token.span for token in tokens if token.is_learned}
    plain = {match.span() for match in WORD.finditer(prompt)}
    alone = {(a, b) for a, b in plain if not any(a < end and start < b for start, end in learned)}
    return sorted(learned | alone)


def parts_of(tokens: Sequence[Token]) -> tuple[Part, ...]:
    """What each position of the context is; every chunk has a start, an end and often padding behind it."""
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
