"""Times a U-Net's prediction: ours and diffusers', first compared with float64, then timed in turns.

Of each size the batches are pictures with guidance, so twice as many rows. Ours runs as the engine runs it,
with keys and values of the prompts computed before. The share is of the measured rate of a matrix product in
the same dtype, by the operations that torch's counter finds in diffusers' U-Net.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from limelight.unet import UNet
from scripts.benchmarks.tools.models import our_unet
from scripts.gpu.parts.backends import first_line
from scripts.gpu.parts.peaks import matrix_rate
from scripts.gpu.tools.card import Card, Work, error, name_of, take_turns
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import CONFIGS, Call, diffusers_unet, runtime_of

DIFFUSERS, OURS = "diffusers", "ours"
LAST = ", channels last"


@dataclass(frozen=True, slots=True)
class Size:
    """A model at the size that it was trained for."""

    model: str
    side: int  # side of the latent
    title: str


SIZES = (Size("sd1", 64, "SD1.5 512"), Size("sdxl", 128, "SDXL 1024"))
TINY_SIZES = (Size("tiny", 8, "tiny"), Size("tiny-xl", 8, "tiny of SDXL's kind"))
BATCHES, TINY_BATCHES = (1, 8), (1,)
LEAST = 4.0  # seconds needed to measure one batch


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    for dtype in card.dtypes:
        rate = matrix_rate(card, dtype, tiny=tiny)
        for size in TINY_SIZES if tiny else SIZES:
            theirs, ours = both(size, card, dtype)
            if dtype == card.dtypes[0]:
                yield compare(card, size, theirs, ours, dtype)
            for batch in TINY_BATCHES if tiny else BATCHES:
                if time.time() + LEAST > until:
                    yield Finding(
                        f"{size.title}, {batch}, {name_of(dtype)}", "failed", {}, "no time was left"
                    )
                    continue
                yield from speeds(card, size, batch, theirs, ours, dtype, rate)
            del theirs, ours
            card.forget()


def both(size: Size, card: Card, dtype: torch.dtype) -> tuple[Any, UNet]:
    """diffusers' U-Net and ours, with the same weights."""
    theirs = diffusers_unet(size.model, card.device, dtype)
    return theirs, our_unet(theirs.config, theirs.state_dict())


@torch.inference_mode()
def compare(card: Card, size: Size, theirs: Any, ours: UNet, dtype: torch.dtype) -> Finding:
    """The error of both against diffusers' U-Net in float64 with the same weights."""
    call = Call.draw(CONFIGS[size.model], 2, size.side, card.device, dtype)
    errors = {"ours": call.of_ours(ours, runtime_of(ours, call)), "diffusers": call.of_diffusers(theirs)}
    case = f"{size.title}, one picture, {name_of(dtype)}, against float64"
    try:
        with torch.device("meta"):
            exact = type(theirs).from_config(theirs.config).eval()
        exact.load_state_dict({n: w.double() for n, w in theirs.state_dict().items()}, assign=True)
        reference = call.to(torch.float64).of_diffusers(exact)
    except RuntimeError as failure:
        return Finding(case, "failed", {}, first_line(failure))
    found = {name: error(out, reference) for name, out in errors.items()}
    verdict = "right" if found["ours"] <= max(2 * found["diffusers"], 1e-6) else "wrong"
    return Finding(case, verdict, found)


@torch.inference_mode()
def speeds(
    card: Card, size: Size, batch: int, theirs: Any, ours: UNet, dtype: torch.dtype, rate: float
) -> Iterator[Finding]:
    call = Call.draw(CONFIGS[size.model], 2 * batch, size.side, card.device, dtype)
    operations = flops(call, theirs)
    runtime = runtime_of(ours, call)
    last_theirs, last_ours = (in_channels_last(each) for each in (theirs, ours))
    ways: dict[str, Work] = {
        DIFFUSERS: partial(call.of_diffusers, theirs),
        DIFFUSERS + LAST: partial(call.of_diffusers, last_theirs),
        OURS: partial(call.of_ours, ours, runtime),
        OURS + LAST: partial(call.of_ours, last_ours, runtime),
    }
    case = f"{size.title}, {batch}, {name_of(dtype)}"
    taken = take_turns(card, ways, rounds=5)
    for name, timed in taken.items():
        numbers = {
            "ms": 1000 * timed.median,
            "of diffusers": timed.over(taken[DIFFUSERS]),
            "spread": timed.spread,
            "share of the peak": operations / timed.median / rate,
            "GiB": card.peak(ways[name]) / 2**30,
        }
        yield Finding(f"{case}, {name}", "measured", numbers)
    others: dict[str, Callable[[], Iterator[Finding]]] = {
        "diffusers, xformers": partial(_xformers, card, last_theirs, ways[DIFFUSERS + LAST]),
        "ours, channels last, cuDNN's choice by trial": partial(_by_trial, card, ways[OURS + LAST]),
    }
    for name, other in others.items():
        try:
            for found in other():
                yield Finding(f"{case}, {name}", found.verdict, dict(found.numbers))
        except Exception as failure:  # xformers is missing, or made for another torch
            yield Finding(f"{case}, {name}", "failed", {}, first_line(failure))


def in_channels_last(unet: Any) -> Any:
    """A copy whose filters have the memory format channels last; only its convolutions have weights of their
    own."""
    with torch.device("meta"):
        copy = UNet(unet.config) if isinstance(unet, UNet) else type(unet).from_config(unet.config)
    copy.load_state_dict(unet.state_dict(), assign=True)
    return copy.eval().to(memory_format=torch.channels_last)


def flops(call: Call, theirs: Any) -> float:
    with FlopCounterMode(display=False) as counter:
        call.of_diffusers(theirs)
    return float(counter.get_total_flops())


def _xformers(card: Card, unet: Any, plain: Work) -> Iterator[Finding]:
    unet.enable_xformers_memory_efficient_attention()
    try:
        taken = take_turns(card, {"": plain}, rounds=5)[""]
    finally:
        unet.disable_xformers_memory_efficient_attention()
        unet.set_default_attn_processor()
    yield Finding("", "measured", {"ms": 1000 * taken.median, "spread": taken.spread})


def _by_trial(card: Card, work: Work) -> Iterator[Finding]:
    with cudnn_tries():
        taken = take_turns(card, {"": work}, rounds=5)[""]
    yield Finding("", "measured", {"ms": 1000 * taken.median, "spread": taken.spread})


@contextmanager
def cudnn_tries() -> Iterator[None]:
    """A context in which cuDNN times its algorithms for each new shape and keeps the fastest."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
