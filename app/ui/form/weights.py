"""Changes one word of a prompt, or its weight."""

import re

from limelight.app.ui.access.errors import NotOffered
from limelight.pipeline.text.syntax import MAX_WEIGHT, MIN_WEIGHT

_WEIGHT = re.compile(r"\s{0,8}:\s{0,8}[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})\s{0,8}\)")


def reweigh(prompt: str, span: tuple[int, int], weight: float) -> str:
    """The prompt with `(word:weight)` in place of the word, or of the word with its present weight.

    Args:
        span: characters [start, end) of the word.

    Raises:
        NotOffered: the span is not in the prompt, or the weight is not from 0 to 10.
    """
    start, end = span
    if not 0 <= start < end <= len(prompt):
        raise NotOffered(f"the word is at {start} to {end}; the prompt has {len(prompt)} characters")
    if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
        raise NotOffered(f"weight is {weight:g}; must be from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}")
    word = prompt[start:end]
    own = _WEIGHT.match(prompt, end)
    if own and start and prompt[start - 1] == "(":
        start, end = start - 1, own.end()
    new = word if weight == 1 else f"({word}:{weight:g})"
    return prompt[:start] + new + prompt[end:]


def reword(prompt: str, span: tuple[int, int], word: str) -> str:
    """The prompt with another word in place of one.

    Args:
        span: characters [start, end) of the word.
        word: one word or several.

    Raises:
        NotOffered: the span is not in the prompt, or `word` is empty.
    """
    start, end = span
    if not 0 <= start < end <= len(prompt):
        raise NotOffered(f"the word is at {start} to {end}; the prompt has {len(prompt)} characters")
    if not word.strip():
        raise NotOffered(f"no word is given for {prompt[start:end]!r}; type one")
    return prompt[:start] + word.strip() + prompt[end:]
