"""Times the U-Net beside diffusers' on a CPU: `python -m scripts.benchmark unet`.

SD1.5's size with random weights, float32, a guided prediction (two rows of one latent). The ways take turns;
what counts is processor time of the one thread, which other work on the machine disturbs little; the least of
all rounds is kept. The difference is the largest of the predictions, over the largest of diffusers' own.
"""

import argparse
import platform
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unet import UNet, UNetConfig, optimize
from unet.weights import parameters_on_meta

SD1 = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts.benchmark unet", description=__doc__)
    parser.add_argument("--sizes", default="256,512", help="of the picture, in pixels, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--note", default="", help="a sentence for the report, such as what else was running")
    parser.add_argument("-o", "--output", type=Path, help="a Markdown file; standard output if not given")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # processor time of one thread says nothing about several
    report = "\n".join(_report(options, arguments)) + "\n"
    if options.output is None:
        print(report)
    else:
        options.output.write_text(report)
    return 0


def _report(options: argparse.Namespace, arguments: list[str]) -> list[str]:
    import diffusers

    lines = [
        "# The U-Net on a CPU",
        "",
        f"{_cpu_name()}, one thread, torch {torch.__version__}, diffusers {diffusers.__version__}, Python "
        f"{platform.python_version()}. {options.note}".rstrip(),
        "",
        f"    {shlex.join(['python', '-m', 'scripts.benchmark', 'unet', *arguments])}",
        "",
        *(__doc__ or "").split("\n\n", 1)[1].strip().splitlines(),
        "",
        "| pixels | way | seconds | of diffusers' | difference |",
        "|--:|---|--:|--:|--:|",
    ]
    theirs, ours = _models()
    fast = optimize(ours)
    for size in map(int, options.sizes.split(",")):
        x = torch.randn(1, 4, size // 8, size // 8, generator=torch.Generator().manual_seed(0))
        lines += _rows(size, x.repeat(2, 1, 1, 1), theirs, fast, options.rounds)
    return lines


@torch.inference_mode()
def _rows(size: int, x: Tensor, theirs: Any, fast: UNet, rounds: int) -> list[str]:
    context = torch.randn(2, 77, 768, generator=torch.Generator().manual_seed(1))
    steps, last = torch.tensor([500, 500]), x.to(memory_format=torch.channels_last)
    ways: dict[str, Callable[[], Tensor]] = {
        "diffusers": lambda: theirs(x, steps[0], context).sample,
        "diffusers, latent channels last": lambda: theirs(last, steps[0], context).sample,
        "optimized": lambda: fast(x, steps, context),
    }
    found = {name: run() for name, run in ways.items()}  # warms up; the first time measures convolutions
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.thread_time()
            run()
            seconds[name] = min(seconds[name], time.thread_time() - start)
    expected = found["diffusers"]
    return [
        f"| {size} | {name} | {taken:.2f} | {taken / seconds['diffusers']:.3f} "
        f"| {((found[name] - expected).abs().max() / expected.abs().max()).item():.1e} |"
        for name, taken in seconds.items()
    ]


def _models() -> tuple[Any, UNet]:
    """diffusers' U-Net and ours with the same weights."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        theirs = UNet2DConditionModel(**SD1).eval()
    with parameters_on_meta():
        ours = UNet(UNetConfig.from_json(dict(theirs.config))).eval()
    pool = torch.rand(2**20, generator=torch.Generator().manual_seed(0)) - 0.5
    state = {name: _weight(name, each.shape, pool) for name, each in theirs.state_dict().items()}
    theirs.load_state_dict(state, assign=True)
    ours.load_state_dict(state, assign=True)
    return theirs, ours


def _weight(name: str, shape: torch.Size, pool: Tensor) -> Tensor:
    """Random numbers from `pool`, over and over: drawing 860 million takes minutes."""
    count = shape.numel()
    values = pool.repeat(-(-count // len(pool)))[:count].view(shape)
    if len(shape) > 1:
        return values * 2 * (shape[0] / count) ** 0.5
    return values * 0.1 + name.endswith("weight")


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
