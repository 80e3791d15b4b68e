"""Finds syntax in a prompt that has no effect here, with its column."""

import math
import re
from collections.abc import Iterator, Mapping

from limelight.pipeline.text.syntax import (
    ANY_NETWORK,
    MAX_WEIGHT,
    MIN_WEIGHT,
    NETWORK,
    Pair,
    is_escape,
    left_out,
    match_brackets,
    remedy,
)

SHOWN = 40  # characters of the prompt in a remark
MAX_REMARKS = 8  # of one prompt

_AND = re.compile(r"\bAND\b")
_NUMBER = re.compile(r"\s*([+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20}))\s*")


def remarks(prompt: str, syntax: str = "limelight") -> list[str]:
    """One sentence for each thing without effect, in the order of the prompt; at most `MAX_REMARKS`."""
    pattern = NETWORK if syntax == "limelight" else ANY_NETWORK
    tags = left_out(prompt, pattern)
    pairs = match_brackets(prompt, tags)
    found = [
        *((match.start(), _left_out(prompt, match)) for match in pattern.finditer(prompt)),
        *_editing(prompt, pairs),
        *((match.start(), _composing(match.start())) for match in _AND.finditer(prompt)),
    ]
    if syntax == "limelight":
        found += _weights(prompt, pairs)
    return [remark for _, remark in sorted(found)[:MAX_REMARKS]]


def _left_out(prompt: str, tag: re.Match[str]) -> str:
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
