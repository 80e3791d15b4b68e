"""Finds the words of a prompt, and the tokens of the context that belong to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.clip_encoder import Token

Part = Literal["start", "word", "end", "padding"]
# Words that stand for no thing of their own.
SMALL_WORDS = frozenset(
    "a an the this that these those some any each very there which who one two three four five six seven "
    "eight nine ten of on in at to from by with without and or but not no is are was were be as for into "
    "onto over under above below behind before between beside next near left right top front up down its it "
    "his her their my your background style picture image photo drawing".split()
)


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
