"""Parses the syntax of prompts: weights and breaks. Every character keeps its original position.

`remarks` finds syntax of other programs that has no effect here.
"""

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

SHOWN = 40  # characters of the prompt in a remark
MAX_REMARKS = 8  # of one prompt
EMPHASIS = 1.1  # the factor of a pair of round brackets; square brackets divide by it
MIN_WEIGHT, MAX_WEIGHT = 0.0, 10.0

_CLOSERS = {")": "(", "]": "["}
_WEIGHT = re.compile(r":\s*([+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,9})?)\s*$")
_WEIGHT_WINDOW = 40  # no sensible number is longer
_BREAK = "BREAK"
_AND = re.compile(r"\bAND\b")
_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20}))\s*")
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


def remarks(prompt: str, syntax: str = "limelight") -> list[str]:
    """One sentence for each thing without effect, in the order of the prompt; at most `MAX_REMARKS`."""
    pattern = NETWORK if syntax == "limelight" else ANY_NETWORK
    tags = left_out(prompt, pattern)
    pairs = match_brackets(prompt, tags)
    found = [
        *((match.start(), _left_out(match)) for match in pattern.finditer(prompt)),
        *_editing(prompt, pairs),
        *((match.start(), _composing(match.start())) for match in _AND.finditer(prompt)),
    ]
    if syntax == "limelight":
        found += _weights(prompt, pairs)
    return [remark for _, remark in sorted(found)[:MAX_REMARKS]]


def _left_out(tag: re.Match[str]) -> str:
    return f"{_shown(tag[0])} at column {tag.start() + 1} is no word and is left out; {remedy(tag)}"


def _composing(at: int) -> str:
    return (
        f"AND at column {at + 1} is read as a word: pictures are not composed of several prompts here; write "
        "it in lower case to mean the word"
    )


def _editing(prompt: str, pairs: Mapping[int, Pair]) -> Iterator[tuple[int, str]]:
    """Finds `[from:to:when]` and `[one|other]`, which change the prompt during drawing in AUTOMATIC1111."""
    bars, colons = _separators(prompt, pairs)
    for start, pair in pairs.items():
        if prompt[start] != "[":
            continue
        text = _shown(prompt[start : min(pair.close + 1, start + SHOWN + 1)])
        if start in bars:
            yield start, f"{text} at column {start + 1} is read as all its words: they do not alternate here"
        elif start in colons and _NUMBER.fullmatch(prompt, colons[start] + 1, pair.close):
            yield (
                start,
                f"{text} at column {start + 1} is read as all its words: a prompt does not change "
                "during drawing here; keep the words that you want",
            )


def _separators(prompt: str, pairs: Mapping[int, Pair]) -> tuple[set[int], dict[int, int]]:
    """The pairs with a bar directly inside, and the pairs with a colon, with the position of the last."""
    bars, colons = set(), {}
    inside: list[int] = []
    i = 0
    while i < len(prompt):
        if is_escape(prompt, i):
            i += 2
            continue
        while inside and pairs[inside[-1]].close <= i:
            inside.pop()
        if i in pairs:
            inside.append(i)
        elif inside and prompt[i] == "|":
            bars.add(inside[-1])
        elif inside and prompt[i] == ":":
            colons[inside[-1]] = i
        i += 1
    return bars, colons


def _weights(prompt: str, pairs: Mapping[int, Pair]) -> Iterator[tuple[int, str]]:
    """Finds weights that are not used as typed."""
    _, colons = _separators(prompt, pairs)
    for start, pair in pairs.items():
        number = _NUMBER.fullmatch(prompt, colons[start] + 1, pair.close) if start in colons else None
        if prompt[start] != "(" or number is None:
            continue
        value = float(number[1])
        limits = f"weights are from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}"
        if math.isfinite(value) and value < MIN_WEIGHT:
            yield start, f"weight {value:g} at column {colons[start] + 1} is read as text: {limits}"
        elif value > MAX_WEIGHT:
            yield (
                start,
                f"weight {value:g} at column {colons[start] + 1} is taken for {MAX_WEIGHT:g}: {limits}",
            )


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
