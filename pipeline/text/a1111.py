"""Reads prompts as AUTOMATIC1111's web UI does (version 1.10), implemented from its behaviour.

Source: github.com/AUTOMATIC1111/stable-diffusion-webui, wiki page Features, "Attention/emphasis", and the
behaviour of its prompt parser.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.text.syntax import ANY_NETWORK, EMPHASIS, Part, is_escape, left_out

MAX_WEIGHT = 1000.0  # AUTOMATIC1111 has no limit; larger weights overflow in float16
COMMA, BACKTRACK = ",</w>", 20  # a full chunk ends after a comma, if its last 20 tokens contain one

_NUMBER = re.compile(r":\s*([+-]?[.\d]{1,40})\s*\)")
_BREAK = re.compile(r"\bBREAK\b")
_BREAK_WEIGHT = -1.0  # marks a break; inside brackets BREAK is an ordinary word


@dataclass(slots=True)
class _Run:
    """Characters of one weight, by their positions in the prompt."""

    weight: float
    characters: list[int] = field(default_factory=list)
    is_break: bool = False


def parse_a1111(prompt: str) -> list[Part]:
    """The parts of a prompt, in order; at least one.

    Brackets weigh as in `syntax.parse`, with these differences. A bracket that is not closed acts to the end
    of the prompt. A closing bracket without a partner is a character. Round and square brackets may overlap.
    Weights may be negative, and go up to 1000. Neighbours of equal weight are read as one text.
    """
    runs = _merged(_runs(prompt))
    parts: list[list[_Run]] = [[]]
    for run in runs:
        if run.is_break and run.weight == _BREAK_WEIGHT:
            parts.append([])
        else:
            parts[-1].append(run)
    if len(parts) > 1 and not any(prompt[i].strip() for run in parts[-1] for i in run.characters):
        parts.pop()  # a break at the end begins no part
    return [_part(prompt, part) for part in parts]


def _runs(prompt: str) -> list[_Run]:
    tags = left_out(prompt, ANY_NETWORK)
    runs: list[_Run] = []
    acting: list[tuple[int, int, float]] = []  # runs [first, end), and the factor of their weights
    opened: dict[str, list[int]] = {"(": [], "[": []}  # the number of runs before each bracket
    i = 0
    while i < len(prompt):
        if i in tags:
            i = tags[i]
        elif is_escape(prompt, i):
            runs.append(_Run(1.0, [i + 1]))
            i += 2
        elif prompt[i] in opened:
            opened[prompt[i]].append(len(runs))
            i += 1
        elif opened["("] and (number := _number(prompt, i)):
            acting.append((opened["("].pop(), len(runs), number[0]))
            i = number[1]
        elif prompt[i] == ")" and opened["("]:
            acting.append((opened["("].pop(), len(runs), EMPHASIS))
            i += 1
        elif prompt[i] == "]" and opened["["]:
            acting.append((opened["["].pop(), len(runs), 1 / EMPHASIS))
            i += 1
        else:
            end = _end_of_text(prompt, i, tags)
            runs += _between_breaks(prompt, i, end)
            i = end
    for bracket, multiplier in (("(", EMPHASIS), ("[", 1 / EMPHASIS)):
        acting += [(first, len(runs), multiplier) for first in opened[bracket]]
    weights = np.array([run.weight for run in runs])
    with np.errstate(over="ignore", invalid="ignore"):
        for first, end, multiplier in acting:
            weights[first:end] *= multiplier
    return [replace(run, weight=float(weight)) for run, weight in zip(runs, weights, strict=True)]


def _number(prompt: str, i: int) -> tuple[float, int] | None:
    """The weight at the end of a bracket, `:1.3)`, and where it ends."""
    match = _NUMBER.match(prompt, i) if prompt[i] == ":" else None
    if match is None or match[1].count(".") > 1 or not any(c.isdecimal() for c in match[1]):
        return None
    return float(match[1]), match.end()


def _end_of_text(prompt: str, i: int, tags: dict[int, int]) -> int:
    i += 1
    while i < len(prompt) and prompt[i] not in "\\()[]:" and i not in tags:
        i += 1
    return i


def _between_breaks(prompt: str, start: int, end: int) -> list[_Run]:
    runs = []
    for match in _BREAK.finditer(prompt, start, end):
        runs += [_Run(1.0, list(range(start, match.start())))]
        runs += [_Run(_BREAK_WEIGHT, list(range(*match.span())), is_break=True)]
        start = match.end()
    return [*runs, _Run(1.0, list(range(start, end)))]


def _merged(runs: Sequence[_Run]) -> list[_Run]:
    merged: list[_Run] = []
    for run in runs:
        if merged and not run.is_break and not merged[-1].is_break and merged[-1].weight == run.weight:
            merged[-1].characters += run.characters
        else:
            merged.append(run)
    return merged


def _part(prompt: str, runs: Sequence[_Run]) -> Part:
    positions = [i for run in runs for i in run.characters]
    weights = [_bounded(run.weight) for run in runs for _ in run.characters]
    edges, end = [], 0
    for run in runs[:-1]:
        end += len(run.characters)
        edges.append(end)
    return Part("".join(prompt[i] for i in positions), tuple(weights), tuple(positions), tuple(edges))


def _bounded(weight: float) -> float:
    return min(max(weight, -MAX_WEIGHT), MAX_WEIGHT) if math.isfinite(weight) else MAX_WEIGHT


def chunks_at_commas(pieces: Sequence[str], room: int) -> list[tuple[int, int]]:
    """Tokens [start, end) of each chunk. A chunk is full, or ends at a comma near its end, so that no tag is
    split.

    Args:
        room: tokens of a chunk.
    """
    chunks, start, comma = [], 0, -1  # comma: the last comma of this chunk
    for i, piece in enumerate(pieces):
        if piece == COMMA:
            comma = i
        elif i - start == room and comma >= start and i - comma <= BACKTRACK:
            chunks.append((start, comma + 1))
            start, comma = comma + 1, -1
        if i - start == room:
            chunks.append((start, i))
            start, comma = i, -1
    return [*chunks, (start, len(pieces))]


def rescaled(context: Float[Tensor, "m c"], weights: Sequence[float]) -> Float[Tensor, "m c"]:
    """Each embedding times its weight, rescaled so that the mean stays the same."""
    w = torch.tensor(weights, dtype=context.dtype, device=context.device)[:, None]
    weighted = context * w
    scale = context.mean() / weighted.mean()
    return weighted * scale if scale.isfinite() else weighted
