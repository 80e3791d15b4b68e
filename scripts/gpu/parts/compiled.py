"""Compares our compiled U-Net with diffusers' compiled U-Net, in turns. The first call compiles the
graph.

Ours is what `compile=` gives, with all that it does around a call. diffusers' is channels last with its
projections of query, key and value fused, as its guide to fast inference has it; `max-autotune`, its fastest,
takes several minutes a graph and is a part of its own.

Source: diffusers' documentation, "Accelerate inference" and `torch.compile`.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from limelight.pipeline.sampling.compiled import Graphs, options_of
from scripts.gpu.parts.backends import first_line
from scripts.gpu.parts.peaks import matrix_rate
from scripts.gpu.parts.unet import SIZES, TINY_SIZES, Size, both, flops, in_channels_last
from scripts.gpu.tools.card import Card, Timed, Work, error, name_of, take_turns
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import CONFIGS, Call, runtime_of


@dataclass(frozen=True, slots=True)
class Way:
    """Whose U-Net is compiled, and torch.compile's mode; None is the mode without CUDA graphs, "cudagraphs"
    graphs without a compiler."""

    whose: str
    mode: str | None

    @property
    def name(self) -> str:
        return f"{self.whose}, compiled, {self.mode or 'default mode'}"


MODES = (
    Way("ours", "cudagraphs"),
    Way("diffusers", "reduce-overhead"),
    Way("ours", "reduce-overhead"),
    Way("ours", None),
    Way("diffusers", None),
)
DOCUMENTED = (Way("diffusers", "max-autotune"), Way("ours", "max-autotune"))
PICTURES = {"sd1": (8, 1), "sdxl": (1,), "tiny": (1,)}
LEAST = 20.0  # seconds that compiling one graph may take


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    """Compares U-Nets of SD1.5's size."""
    yield from of_size(card, TINY_SIZES[0] if tiny else SIZES[0], MODES, until, tiny=tiny)


def measure_large(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    """Compares U-Nets of SDXL's size."""
    yield from of_size(card, TINY_SIZES[0] if tiny else SIZES[1], MODES[:3], until, tiny=tiny)


def measure_documented(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    """Compares the mode that diffusers' documentation calls the fastest, at SD1.5's size."""
    yield from of_size(card, TINY_SIZES[0] if tiny else SIZES[0], DOCUMENTED, until, tiny=tiny)


@torch.inference_mode()
def of_size(card: Card, size: Size, ways: Sequence[Way], until: float, *, tiny: bool) -> Iterator[Finding]:
    dtype = card.dtypes[0]
    rate = matrix_rate(card, dtype, tiny=tiny)
    theirs, ours = (in_channels_last(unet) for unet in both(size, card, dtype))
    for pictures in PICTURES[size.model]:
        case = f"{size.title}, {pictures}, {name_of(dtype)}"
        call = Call.draw(CONFIGS[size.model], 2 * pictures, size.side, card.device, dtype)
        operations, runtime = flops(call, theirs), runtime_of(ours, call)
        eager = call.of_diffusers(theirs)
        works: dict[str, Work] = {
            "diffusers, eager": partial(call.of_diffusers, theirs),
            "ours, eager": partial(call.of_ours, ours, runtime),
        }
        for way in ways[:3] if tiny else ways:
            if time.time() + LEAST > until:
                yield Finding(f"{case}, {way.name}", "failed", {}, "no time was left to make its graph")
                continue
            try:
                work, seconds, off = made(card, way, call, theirs, ours, eager, tiny=tiny)
            except Exception as failure:  # the compiler's own errors have many types
                yield Finding(f"{case}, {way.name}", "wrong", {}, first_line(failure))
                continue
            works[way.name] = work
            yield Finding(f"{case}, {way.name}, first call", "measured", {"s": seconds, "off by": off})
        taken = take_turns(card, works, rounds=7)
        best = min((t for n, t in taken.items() if n.startswith("diffusers")), key=lambda t: t.median)
        for name, timed in taken.items():
            yield Finding(f"{case}, {name}", "measured", numbers_of(timed, best, operations / rate))


def numbers_of(timed: Timed, best: Timed, floor: float) -> dict[str, float | str]:
    """Ratios to diffusers' fastest mode in this run.

    Args:
        floor: seconds that the operations take at the card's measured rate.
    """
    return {
        "ms": 1000 * timed.median,
        "of diffusers' best": timed.over(best),
        "spread": timed.spread,
        "share of the peak": floor / timed.median,
    }


def made(
    card: Card, way: Way, call: Call, theirs: Any, ours: Any, eager: torch.Tensor, *, tiny: bool
) -> tuple[Work, float, float]:
    """The prepared way, the seconds of its first call, and the error of its prediction against diffusers'
    eager U-Net."""
    options: dict[str, Any] = {"backend": "eager"} if tiny else options_of(way.mode or True)
    if way.whose == "ours":
        work: Work = partial(call.of_ours, Graphs(ours, len(call.x), **options), runtime_of(ours, call))
    else:
        fused = in_channels_last(theirs)
        fused.fuse_qkv_projections()
        work = partial(_replayed, call, torch.compile(fused, fullgraph=True, dynamic=False, **options))
    found: list[Any] = []
    seconds = card.wall(lambda: found.append(work()))
    return work, seconds, error(found[0], eager)


def _replayed(call: Call, unet: Any) -> torch.Tensor:
    """A copy of the graph's output, since the next replay overwrites it. A pipeline copies it too."""
    torch.compiler.cudagraph_mark_step_begin()
    return call.of_diffusers(unet).clone()
