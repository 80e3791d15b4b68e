"""Parses the syntax of prompts: weights and breaks. Every character keeps its original position."""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

EMPHASIS = 1.1  # the factor of a pair of round brackets; square brackets divide by it
MIN_WEIGHT, MAX_WEIGHT = 0.0, 10.0

_CLOSERS = {")": "(", "]": "["}
_WEIGHT = re.compile(r":\s*([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,9})?)\s*$")
_WEIGHT_WINDOW = 40  # no sensible number is longer
_BREAK = "BREAK"
# Tags of AUTOMATIC1111 that load a network, such as `<lora:NAME:0.8>`; they are not words.
NETWORK = re.compile(r"<(lora|lyco|hypernet):([^<>]*)>", re.IGNORECASE)
ANY_NETWORK = re.compile(r"<(\w+):([^<>]+)>")  # AUTOMATIC1111 removes all of these, also unknown ones


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of prompt between breaks, without its syntax.

    Attributes:
        text: what the tokenizer reads.
        weights: the weight of every character of `text`.
        positions: the position of every character of `text` in the prompt as typed.
        edges: indices in `text` where syntax was removed, in order; no word extends across them.
    """

    text: str
    weights: tuple[float, ...]
    positions: tuple[int, ...]
    edges: tuple[int, ...] = ()

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where characters [start, end) of `text` lie in the prompt."""
        return self.positions[start], self.positions[max(start, end - 1)] + 1

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The stretches between the edges, which are tokenized separately."""
        start = 0
        for edge in self.edges:
            if edge > start:
                yield start, edge
                start = edge
        yield start, len(self.text)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two matching brackets, and the end of the text that they weight."""

    multiplier: float
    close: int
    end: int


def parse(prompt: str) -> list[Part]:
    r"""The parts of a prompt, in order; at least one.

    `(word)` multiplies the weight by 1.1, `[word]` divides it by 1.1, and `(word:1.3)` multiplies it by 1.3.
    Brackets nest and their weights multiply, within 0 to 10. `BREAK` begins a new part. A bracket or
    backslash after a backslash is literal, and so is a bracket without a partner. The text in brackets is
    tokenized separately. Tags that load a network are left out. Any text is a valid prompt.
    """
    tags = left_out(prompt)
    pairs = match_brackets(prompt, tags)
    text: list[str] = []
    weights: list[float] = []
    positions: list[int] = []
    edges: list[int] = []
    stack: list[tuple[int, int, float]] = []  # (close, end of content, weight outside), innermost last
    weight, i = 1.0, 0
    while i < len(prompt):
        if i in tags:
            edges.append(len(text))
            i = tags[i]
            continue
        if stack and i == stack[-1][1]:
            close, _, weight = stack.pop()
            edges.append(len(text))
            i = close + 1
            continue
        if i in pairs:
            pair = pairs[i]
            stack.append((pair.close, pair.end, weight))
            weight *= pair.multiplier
            edges.append(len(text))
            i += 1
            continue
        if is_escape(prompt, i):
            i += 1
        text.append(prompt[i])
        weights.append(min(max(weight, MIN_WEIGHT), MAX_WEIGHT))
        positions.append(i)
        i += 1
    plain = "".join(text)
    return [
        Part(
            plain[start:end],
            tuple(weights[start:end]),
            tuple(positions[start:end]),
            _within(edges, start, end),
        )
        for start, end in _between_breaks(plain, set(edges))
    ]


def _within(edges: Sequence[int], start: int, end: int) -> tuple[int, ...]:
    """The edges inside characters [start, end), relative to the start."""
    inner = edges[bisect_right(edges, start) : bisect_left(edges, end)]
    return tuple(edge - start for edge in dict.fromkeys(inner))


def match_brackets(prompt: str, tags: Mapping[int, int]) -> dict[int, Pair]:
    """Opening bracket -> its pair, in linear time and without recursion.

    Args:
        tags: start -> end of each tag, which is skipped.
    """
    pairs: dict[int, Pair] = {}
    opened: dict[str, list[int]] = {"(": [], "[": []}
    i = 0
    while i < len(prompt):
        c = prompt[i]
        if i in tags or is_escape(prompt, i):
            i = tags.get(i, i + 2)
            continue
        if c in opened:
            opened[c].append(i)
        elif c in _CLOSERS and opened[_CLOSERS[c]]:
            start = opened[_CLOSERS[c]].pop()
            for others in opened.values():  # brackets that overlap this pair are literal
                while others and others[-1] > start:
                    others.pop()
            pairs[start] = _pair(prompt, start, i)
        i += 1
    return pairs


def _pair(prompt: str, start: int, close: int) -> Pair:
    if prompt[start] == "[":
        return Pair(1 / EMPHASIS, close, close)
    window = max(start + 1, close - _WEIGHT_WINDOW)
    number = _WEIGHT.search(prompt[window:close])
    value = float(number[1]) if number else math.nan
    if number is None or not math.isfinite(value) or value < 0:
        return Pair(EMPHASIS, close, close)
    return Pair(value, close, window + number.start())


def is_escape(prompt: str, i: int) -> bool:
    return prompt[i] == "\\" and i + 1 < len(prompt) and prompt[i + 1] in "()[]\\"


def _between_breaks(text: str, edges: Set[int]) -> Iterator[tuple[int, int]]:
    start, found = 0, text.find(_BREAK)
    while found >= 0:
        end = found + len(_BREAK)
        is_free = found == 0 or found in edges or text[found - 1].isspace() or text[found - 1] == ","
        if is_free and (end == len(text) or end in edges or text[end].isspace() or text[end] == ","):
            yield start, found
            start = end
        found = text.find(_BREAK, end)
    yield start, len(text)


def left_out(prompt: str, pattern: re.Pattern[str] = NETWORK) -> dict[int, int]:
    """Start -> end of each tag."""
    return {match.start(): match.end() for match in pattern.finditer(prompt)}


def remedy(tag: re.Match[str]) -> str:
    """The remedy for a tag without effect."""
    kind, (name, *numbers) = tag[1].lower(), tag[2].split(":")
    if kind == "hypernet":
        return "hypernetworks cannot be used here"
    if kind not in ("lora", "lyco"):
        return "it names nothing that can be used here"
    weight = f":{numbers[0].strip()[:20]}" if numbers else ""
    return f"to draw with it, give its file: --lora {name.strip()[:80] or 'FILE'}.safetensors{weight}"
