"""Compares a U-Net's prediction with diffusers': `python -m scripts.benchmark unet`.

A guided prediction, two rows of one latent, in float32; SD1.5's and SDXL's sizes have random weights. The
ways take turns, and each round gives a ratio: the report has the median, the least and the most. Seconds are
of the processor, the median of the rounds, which other work on the machine disturbs less than it does the
clock's. A runtime other than torch takes turns with diffusers and the optimized U-Net by itself, since models
take memory; the column before the last is its time over the optimized U-Net's in those rounds. The difference
is the largest of the predictions, over the largest value of diffusers' own.
"""

import argparse
import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from limelight.pipeline.memory import free_bytes
from limelight.unet import UNet, optimize
from scripts.benchmarks.tools import models, runtimes
from scripts.benchmarks.tools.models import Inputs
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.runtimes import Predict
from scripts.benchmarks.tools.turns import Ratio, processor, seconds, take_turns

TITLE = "A U-Net's prediction"
DEVICES = ("cpu",)
QUICK = {"models": "default,sd1", "sizes": "256", "rounds": 1, "ways": ""}
SIZES = {"default": "128", "sd1": "256,512", "sdxl": "512"}  # pixels, where none are asked for
DIFFUSERS, OPTIMIZED = "diffusers", "optimized"
CHANNELS_LAST, LOW_MEMORY = "diffusers, channels last", "optimized, no filters kept"
LIGHT = {"channels-last": CHANNELS_LAST, "low-memory": LOW_MEMORY}  # share the weights of the two
Make = Callable[[Any, Inputs, int], Predict]
HEAVY: dict[str, tuple[str, Make, tuple[str, ...]]] = {  # name, how it is made, what it needs
    "compiled": ("diffusers, torch.compile", runtimes.compiled, ()),
    "openvino": ("OpenVINO", runtimes.openvino, ("openvino",)),
    "onnxruntime": ("ONNX Runtime", runtimes.onnxruntime, ("onnx", "onnxruntime")),
}
COPIES = 2.5  # of the weights, which a runtime holds while it prepares them
ACTIVATIONS = 2  # GiB
TIMES = {"default": 5}  # rounds are multiplied by this for models whose predictions take a tenth of a second


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", default="default,sd1,sdxl", help="separated by commas")
    parser.add_argument("--sizes", help="of the picture, in pixels; not of the default model's")
    parser.add_argument(
        "--ways",
        default="channels-last,low-memory,openvino,onnxruntime",
        help=f"in addition to diffusers and optimized, of {', '.join([*LIGHT, *HEAVY])}",
    )


def measure(options: argparse.Namespace) -> Iterator[Section]:
    names, ways = options.models.split(","), options.ways.split(",") if options.ways else []
    for given, known in ((names, models.CONFIGS), (ways, {**LIGHT, **HEAVY})):
        if unknown := [each for each in given if each not in known]:
            raise SystemExit(f"{unknown[0]!r} is not known; must be of {', '.join(known)}")
    for name in names:
        if reason := _too_large(name, 1.5):
            yield Section(models.NAMES[name], f"Left out: {reason}.")
        else:
            yield _section(name, ways, options)


@torch.inference_mode()
def _section(name: str, ways: Sequence[str], options: argparse.Namespace) -> Section:
    theirs = models.diffusers_unet(name)
    fast = optimize(models.our_unet(theirs.config, theirs.state_dict()), free_memory=free_bytes())
    light = _light(ways, theirs, fast)
    rows: list[list[str]] = []
    bars: dict[str, dict[str, float]] = {}
    left_out: list[str] = []
    rounds = options.rounds * TIMES.get(name, 1)
    sizes = SIZES[name] if options.sizes is None or name == "default" else options.sizes
    for pixels in map(int, sizes.split(",")):
        given = models.inputs(name, pixels)
        both = {DIFFUSERS: _theirs(theirs, given), OPTIMIZED: _ours(fast, given)}
        others = {label: run(given) for label, run in light.items()}
        found = _turns(both | others, rounds)
        for way in ways:
            if way in HEAVY:
                label, make, packages = HEAVY[way]
                if reason := runtimes.missing(*packages) or _too_large(name, COPIES):
                    left_out.append(f"Left out at {pixels} px: {label}, {reason}.")
                    continue
                heavy = {label: _quiet(make, theirs, given, options.threads)}
                found[label] = _turns(both | heavy, rounds)[label]
                del heavy
                gc.collect()
        rows += [[str(pixels), label, *row.cells()] for label, row in found.items()]
        bars[f"{pixels} px"] = {label: row.of_theirs.median for label, row in found.items()}
    columns = ("pixels", "way", "seconds", "of diffusers'", "of the optimized", "difference")
    return Section(models.NAMES[name], " ".join(left_out), columns, rows, num_texts=2, bars=bars)


@dataclass(frozen=True, slots=True)
class Row:
    """The times of one variant, and how far its prediction is from diffusers'."""

    times: Sequence[float]
    of_theirs: Ratio
    of_optimized: Ratio
    difference: float

    def cells(self) -> list[str]:
        return [
            seconds(self.times),
            str(self.of_theirs),
            f"{self.of_optimized.median:.2f}",
            f"{self.difference:.1e}",
        ]


def _turns(ways: Mapping[str, Predict], rounds: int) -> dict[str, Row]:
    predictions = {label: run() for label, run in ways.items()}  # warms up; ours measures convolutions
    times = {label: processor(taken) for label, taken in take_turns(ways, rounds).items()}
    expected = predictions[DIFFUSERS]
    return {
        label: Row(
            times[label],
            Ratio.of(times[label], times[DIFFUSERS]),
            Ratio.of(times[label], times[OPTIMIZED]),
            ((predictions[label] - expected).abs().max() / expected.abs().max()).item(),
        )
        for label in ways
    }


def _light(ways: Sequence[str], theirs: Any, fast: UNet) -> dict[str, Callable[[Inputs], Predict]]:
    """The variants that share the weights of others."""
    state, found = fast.state_dict(), dict[str, Callable[[Inputs], Predict]]()
    if "channels-last" in ways:
        stock = models.empty_diffusers_unet(theirs.config)
        stock.load_state_dict(state, assign=True)  # `optimize` has made convolutions channels last
        found[CHANNELS_LAST] = partial(_theirs, stock.to(memory_format=torch.channels_last), last=True)
    if "low-memory" in ways:
        found[LOW_MEMORY] = partial(_ours, optimize(models.our_unet(theirs.config, state), extra_memory=0))
    return found


def _theirs(unet: Any, given: Inputs, *, last: bool = False) -> Predict:
    x = given.x.contiguous(memory_format=torch.channels_last) if last else given.x
    added = dict(given.added) or None
    return lambda: unet(x, given.timesteps, given.context, added_cond_kwargs=added).sample


def _ours(unet: UNet, given: Inputs) -> Predict:
    return lambda: unet(given.x, given.timesteps, given.context, given.pooled, given.size_ids)


def _quiet(make: Make, theirs: Any, given: Inputs, num_threads: int) -> Predict:
    """Makes a runtime's U-Net without the exporter's warnings about constants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(theirs, given, num_threads)


def _too_large(name: str, copies: float) -> str | None:
    """Why there is no memory for `copies` of the weights; None if there is."""
    need, free = copies * models.GIB[name] + ACTIVATIONS, (free_bytes() or 2**60) / 2**30
    return f"takes {need:.0f} GiB of memory, of which {free:.0f} are free" if need > free else None
