"""Times attention backends and measures the memory each takes: `python -m scripts.benchmark attention`.

Time: the backends take turns, several rounds; the median over the rounds of a backend's time over that of
sdpa in the same round, of the processor on a CPU, by the clock on a GPU. Extra memory: each backend runs in a
fresh process, after a tiny warm-up; how far the peak resident size rises above the size just before the call
(VmHWM after a reset, less VmRSS; on CUDA, the allocator's peak), less the result's own size. The median of
several processes.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from limelight.attention import attend, get
from limelight.attention.spec import AttentionSpec
from limelight.pipeline.memory import free_bytes
from scripts.benchmarks.tools import process
from scripts.benchmarks.tools.process import forget_peak, prefer_to_be_killed, resident_bytes
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Ratio, clock, processor, seconds, take_turns

TITLE = "Attention"
DEVICES = ("cpu", "cuda")
QUICK = {"only": "SD1 512 px, self, first", "backends": "sdpa,onednn,tiled", "rounds": 2, "processes": 1}
Sizes = tuple[int, int, int, int, int]  # batch, heads, queries, keys, head_dim
SHAPES: dict[str, Sizes] = {
    "SD1 512 px, self, first level": (2, 8, 4096, 4096, 40),
    "SD1 768 px, self, first level": (2, 8, 9216, 9216, 40),
    "SD1 512 px, cross, first level": (2, 8, 4096, 77, 40),
    "SD1 512 px, self, third level": (2, 8, 256, 256, 160),
    "SDXL 1024 px, self, second level": (2, 10, 4096, 4096, 64),
}
MIB = 2**20
MATH_COPIES = 3  # of all scores, which math holds at once: scores, those with no key hidden, their softmax


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--backends", default="sdpa,onednn,tiled,math", help="names, separated by commas")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--only", default="", help="shapes whose name contains this")
    parser.add_argument("--processes", type=int, default=3, help="for the extra memory")


def measure(options: argparse.Namespace) -> Iterator[Section]:
    rows: list[list[str]] = []
    bars: dict[str, dict[str, float]] = {}
    for shape, sizes in SHAPES.items():
        if options.only in shape:
            more, bars[f"{shape}, over sdpa"] = _of_shape(shape, sizes, options)
            rows += more
    columns = ("shape", "b h n m d", "backend", "kernel", "seconds", "times sdpa", "extra memory, MiB")
    yield Section(options.dtype, columns=columns, rows=rows, num_texts=4, bars=bars)


def _of_shape(
    shape: str, sizes: Sizes, options: argparse.Namespace
) -> tuple[list[list[str]], dict[str, float]]:
    """The rows of one shape, and the ratios to sdpa."""
    rows, names = [], options.backends.split(",")
    spec = AttentionSpec.of(*inputs(options.device, options.dtype, sizes))
    able = [each for each in names if not get(each).refusals(spec)]
    need, have = MATH_COPIES * sizes[0] * sizes[1] * sizes[2] * sizes[3] * 4, _free(options.device)
    if need * 1.15 > have and "math" in able:
        able.remove("math")
        reason = f"left out: takes {need / MIB:.0f} MiB of {have / MIB:.0f} free"
        rows.append([shape, "", "math", reason, "", "", ""])
    times = _times(options, sizes, able)
    ratios = {}
    for name in able:
        ratio = ""
        if "sdpa" in times:
            ratios[name] = Ratio.of(times[name], times["sdpa"]).median
            ratio = f"{ratios[name]:.2f}"
        extra, size = _extra_bytes(shape, name, options) / MIB, " ".join(map(str, sizes))
        kernel = get(name).kernel(spec)
        rows.append([shape, size, name, kernel, seconds(times[name]), ratio, f"{extra:.1f}"])
    for name in names:
        if reasons := get(name).refusals(spec):
            rows.append([shape, "", name, f"refused: {'; '.join(reasons)}", "", "", ""])
    return rows, ratios


def inputs(device: str, dtype: str, sizes: Sizes) -> tuple[Tensor, ...]:
    """q, k, v as a U-Net hands them over: heads split off the channels, so not contiguous."""
    b, h, n, m, d = sizes
    torch.manual_seed(0)
    place, kind = torch.device(device), getattr(torch, dtype)
    return tuple(
        torch.randn(b, length, h * d, device=place, dtype=kind).unflatten(-1, (h, d)).transpose(1, 2)
        for length in (n, m, m)
    )


def _times(options: argparse.Namespace, sizes: Sizes, names: list[str]) -> dict[str, list[float]]:
    """Seconds of each backend, round by round."""
    given = inputs(options.device, options.dtype, sizes)
    ways = {name: partial(_attend, *given, backend=name) for name in names}
    for way in ways.values():
        way()  # warms up
    of = clock if options.device == "cuda" else processor
    return {name: of(taken) for name, taken in take_turns(ways, options.rounds).items()}


def _attend(q: Tensor, k: Tensor, v: Tensor, *, backend: str) -> Tensor:
    out = attend(q, k, v, backend=backend)
    if q.is_cuda:
        torch.cuda.synchronize()
    return out


def _extra_bytes(shape: str, name: str, options: argparse.Namespace) -> float:
    """Peak memory of one call beyond its inputs and its result; the median of several new processes."""
    facts = (shape, name, options.device, options.dtype, str(options.threads))
    child = ("-m", "scripts.benchmarks.attention", *facts)
    return statistics.median(process.last_line(child) for _ in range(options.processes))


def extra_bytes_here(shape: str, name: str, device: str, dtype: str, num_threads: str) -> int:
    """As `_extra_bytes`, once, in this process, which must not have done attention before."""
    torch.set_num_threads(int(num_threads))
    attend(*inputs(device, dtype, (1, 1, 64, 64, 64)), backend=name)  # so that libraries make their buffers
    q, k, v = inputs(device, dtype, SHAPES[shape])
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        forget_peak()
        before = resident_bytes()
    out = attend(q, k, v, backend=name)
    after = torch.cuda.max_memory_allocated() if device == "cuda" else resident_bytes("VmHWM")
    return after - before - out.nbytes


def _free(device: str) -> int:
    """Bytes of memory that are free on a device."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else free_bytes() or sys.maxsize


if __name__ == "__main__":
    prefer_to_be_killed()
    print(json.dumps(extra_bytes_here(*sys.argv[1:])))
