"""Compares the memory of a U-Net's prediction with diffusers': `python -m scripts.benchmark memory`.

SD1.5's size with random weights in one file of float32. Each way is a process of its own, which imports,
loads the file with `from_pretrained`, and predicts twice, two rows of one latent; figures are of resident
memory, less what was resident after the imports.

- peak: the most at any time (VmHWM), over the size of the weights, and beyond them;
- filters: what convolutions may keep of that; less than usual where little memory is free;
- ours run with the memory settings of the command line (`app.lifetime.hold_memory_together`);
- a prediction's own: how far the second one's peak rises above what was resident before it, when the
  allocator had given back what is free (malloc_trim).

How convolutions are best computed is measured when a size is first met; that takes memory of its own, so a
process that did it is followed by another, whose figures these are.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from limelight.attention.timings import cache_file
from scripts.benchmarks.tools import models, process
from scripts.benchmarks.tools.report import Section

TITLE = "Memory of a U-Net's prediction"
DEVICES = ("cpu",)
QUICK = {"sizes": "128", "ways": "diffusers,optimized"}
WAYS = {
    "diffusers": "diffusers",
    "optimized": "optimized",
    "low-memory": "optimized, no filters kept",
    "plain": "not optimized",
}
MIB = 2**20


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", default="256,512", help="of the picture, in pixels, separated by commas")
    parser.add_argument("--ways", default="diffusers,optimized,low-memory", help=f"of {', '.join(WAYS)}")


def measure(options: argparse.Namespace) -> Iterator[Section]:
    rows = []
    bars: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        size = write(Path(folder))
        for pixels in options.sizes.split(","):
            peaks = {}
            for way in options.ways.split(","):
                child = ("-m", "scripts.benchmarks.memory_child", way, folder, pixels, str(options.threads))
                found = _settled(child)
                peaks[WAYS[way]] = found["peak"] / size
                figures = (found["peak"] - size, found["filters"], found["own"])
                rows.append(
                    [
                        pixels,
                        WAYS[way],
                        f"{found['peak'] / size:.2f}",
                        *(f"{each / MIB:.0f}" for each in figures),
                    ]
                )
            bars[f"{pixels} px, peak over the weights"] = peaks
    columns = ("pixels", "way", "peak / weights", "beyond the weights, MiB", "filters, MiB")
    columns += ("a prediction's own, MiB",)
    yield Section(
        text=f"The weights are {size / MIB:.0f} MiB.", columns=columns, rows=rows, num_texts=2, bars=bars
    )


def _settled(child: Sequence[str]) -> Any:
    """The figures of a process that had no convolution to time. Another process may time some meanwhile, so
    it is tried three times."""
    for _ in range(3):
        known = _timings()
        found = process.last_line(child)
        if _timings() == known:
            return found
    raise RuntimeError(f"{cache_file()} is written by others all the time; measure again when it is not")


def _timings() -> bytes:
    return cache_file().read_bytes() if cache_file().exists() else b""


def write(folder: Path) -> int:
    """The weights as diffusers saves them; gives their size in bytes."""
    unet = models.diffusers_unet("sd1")
    unet.save_pretrained(folder, max_shard_size="100GB")
    return sum(parameter.nbytes for parameter in unet.parameters())
