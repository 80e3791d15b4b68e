"""The syntax of prompts: weights and breaks, with every character's way back to where it was typed."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

EMPHASIS = 1.1  # of one pair of round brackets; square ones divide by it
MIN_WEIGHT, MAX_WEIGHT = 0.0, 10.0

_CLOSERS = {")": "(", "]": "["}
_WEIGHT = re.compile(r":\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*$")
_WEIGHT_WINDOW = 40  # no sensible number is longer
_BREAK = re.compile(r"(?<![^\s,])BREAK(?![^\s,])")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of prompt between breaks, without its syntax.

    Attributes:
        text: what the tokenizer reads.
        weights: of every character of `text`.
        positions: of every character of `text` in the prompt as it was typed.
    """

    text: str
    weights: tuple[float, ...]
    positions: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where characters [start, end) of `text` lie in the prompt."""
        return self.positions[start], self.positions[max(start, end - 1)] + 1


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two brackets that belong together, and the end of what they weigh."""

    multiplier: float
    close: int
    end: int


def parse(prompt: str) -> list[Part]:
    r"""The parts of a prompt, in order; at least one.

    `(word)` weighs 1.1 times as much, `[word]` 1.1 times less, `(word:1.3)` 1.3 times; brackets nest and
    their weights multiply, within 0 to 10. `BREAK` begins a new part. A backslash makes a bracket or a
    backslash after it literal, and so is every bracket without a partner: any text is a prompt.
    """
    pairs = _match(prompt)
    text: list[str] = []
    weights: list[float] = []
    positions: list[int] = []
    stack: list[tuple[int, int, float]] = []  # (close, end of content, weight outside), innermost last
    weight, i = 1.0, 0
    while i < len(prompt):
        if stack and i == stack[-1][1]:
            close, _, weight = stack.pop()
            i = close + 1
            continue
        if i in pairs:
            pair = pairs[i]
            stack.append((pair.close, pair.end, weight))
            weight *= pair.multiplier
            i += 1
            continue
        if _is_escape(prompt, i):
            i += 1
        text.append(prompt[i])
        weights.append(min(max(weight, MIN_WEIGHT), MAX_WEIGHT))
        positions.append(i)
        i += 1
    plain = "".join(text)
    return [
        Part(plain[start:end], tuple(weights[start:end]), tuple(positions[start:end]))
        for start, end in _between_breaks(plain)
    ]


def _match(prompt: str) -> dict[int, _Pair]:
    """Opening bracket -> its pair. Linear, without recursion."""
    pairs: dict[int, _Pair] = {}
    opened: dict[str, list[int]] = {"(": [], "[": []}
    i = 0
    while i < len(prompt):
        c = prompt[i]
        if _is_escape(prompt, i):
            i += 2
            continue
        if c in opened:
            opened[c].append(i)
        elif c in _CLOSERS and opened[_CLOSERS[c]]:
            start = opened[_CLOSERS[c]].pop()
            for (
                others
            ) in opened.values():  # brackets of the other kind that this pair cuts across are literal
                while others and others[-1] > start:
                    others.pop()
            pairs[start] = _pair(prompt, start, i)
        i += 1
    return pairs


def _pair(prompt: str, start: int, close: int) -> _Pair:
    if prompt[start] == "[":
        return _Pair(1 / EMPHASIS, close, close)
    window = max(start + 1, close - _WEIGHT_WINDOW)
    number = _WEIGHT.search(prompt[window:close])
    value = float(number[1]) if number else math.nan
    if number is None or not math.isfinite(value) or value < 0:
        return _Pair(EMPHASIS, close, close)
    return _Pair(value, close, window + number.start())


def _is_escape(prompt: str, i: int) -> bool:
    return prompt[i] == "\\" and i + 1 < len(prompt) and prompt[i + 1] in "()[]\\"


def _between_breaks(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _BREAK.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)
