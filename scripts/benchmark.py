"""Times attention backends and measures the memory each takes: `python -m scripts.benchmark attention`.

Time: the backends take turns, several rounds; the median of a backend over that of sdpa in the same rounds.
Extra memory: each backend runs in a fresh process, after a tiny warm-up; how far the peak resident size rises
above the size just before the call (VmHWM after a reset, less VmRSS; on CUDA, the allocator's peak), less the
result's own size. The median of three processes.

`python -m scripts.benchmark recording` times what recording costs; see `scripts.benchmark_recording`.
`python -m scripts.benchmark unet` times the U-Net beside diffusers'; see `scripts.benchmark_unet`.
"""

import argparse
import platform
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from attention import attend, get
from attention.spec import AttentionSpec
from scripts import benchmark_recording, benchmark_unet

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


def main() -> int:
    if sys.argv[1:2] == ["recording"]:
        return benchmark_recording.main(sys.argv[2:])
    if sys.argv[1:2] == ["unet"]:
        return benchmark_unet.main(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["attention"])
    parser.add_argument("--backends", default="sdpa,tiled,math", help="names, separated by commas")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="shapes whose name contains this")
    parser.add_argument("--note", default="", help="a sentence for the report, such as what else was running")
    parser.add_argument("-o", "--output", type=Path, help="a Markdown file; standard output if not given")
    parser.add_argument("--child", nargs=2, metavar=("SHAPE", "BACKEND"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    be_the_first_to_go()
    if arguments.child:
        shape, name = arguments.child
        print(extra_bytes_here(arguments, SHAPES[shape], name))
        return 0
    report = "\n".join(markdown(arguments))
    if arguments.output is None:
        print(report)
    else:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(report + "\n")
    return 0


def markdown(arguments: argparse.Namespace) -> list[str]:
    command = shlex.join(["python", "-m", "scripts.benchmark", *sys.argv[1:]])
    name = torch.cuda.get_device_name() if arguments.device == "cuda" else cpu_name()
    lines = [
        f"# Attention on {arguments.device}",
        "",
        f"{name}, {arguments.threads} thread(s), {arguments.dtype}, torch {torch.__version__}, Python "
        f"{platform.python_version()}, {platform.system()}. {arguments.note}".rstrip(),
        "",
        f"    {command}",
        "",
        *(__doc__ or "").split("\n\n", 1)[1].strip().splitlines(),
        "",
        "| shape | b h n m d | backend | kernel | seconds | times sdpa | extra memory, MiB |",
        "|---|---|---|---|--:|--:|--:|",
    ]
    names = arguments.backends.split(",")
    for shape, sizes in SHAPES.items():
        if arguments.only not in shape:
            continue
        spec = AttentionSpec.of(*inputs(arguments, sizes))
        able = [each for each in names if not get(each).refusals(spec)]
        need, have = MATH_COPIES * sizes[0] * sizes[1] * sizes[2] * sizes[3] * 4, free_bytes(arguments.device)
        if need * 1.15 > have and "math" in able:
            able.remove("math")
            lines.append(
                f"| {shape} | | math | left out: takes {need / MIB:.0f} MiB of {have / MIB:.0f} free | | | |"
            )
        times = measure(arguments, sizes, able)
        for each in able:
            print(shape, each, times[each], file=sys.stderr, flush=True)
            ratio = f"{times[each] / times['sdpa']:.2f}" if "sdpa" in times else ""
            size, extra = " ".join(map(str, sizes)), extra_bytes(shape, each) / MIB
            kernel = get(each).kernel(spec)
            lines.append(
                f"| {shape} | {size} | {each} | {kernel} | {times[each]:.4f} | {ratio} | {extra:.1f} |"
            )
        for each in names:
            if reasons := get(each).refusals(spec):
                lines.append(f"| {shape} | | {each} | refused: {'; '.join(reasons)} | | | |")
    return lines


def inputs(arguments: argparse.Namespace, sizes: Sizes) -> tuple[Tensor, ...]:
    """q, k, v as a U-Net hands them over: heads split off the channels, so not contiguous."""
    b, h, n, m, d = sizes
    torch.manual_seed(0)
    options = {"device": arguments.device, "dtype": getattr(torch, arguments.dtype)}
    return tuple(
        torch.randn(b, length, h * d, **options).unflatten(-1, (h, d)).transpose(1, 2) for length in (n, m, m)
    )


def measure(arguments: argparse.Namespace, sizes: Sizes, names: list[str]) -> dict[str, float]:
    """Median seconds of each backend; they take turns, so that what slows the machine slows them all."""
    q, k, v = inputs(arguments, sizes)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(arguments.rounds + 1):
        for name in names:
            synchronize(arguments.device)
            start = time.perf_counter()
            attend(q, k, v, backend=name)
            synchronize(arguments.device)
            if turn > 0:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def extra_bytes(shape: str, name: str) -> float:
    """Peak memory of one call beyond its inputs and its result; the median of three new processes."""
    command = [sys.executable, "-m", "scripts.benchmark", *sys.argv[1:], "--child", shape, name]
    runs = [subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True) for _ in range(3)]
    return statistics.median(int(run.stdout) for run in runs)


def extra_bytes_here(arguments: argparse.Namespace, sizes: Sizes, name: str) -> int:
    """As `extra_bytes`, once, in this process, which must not have done attention before."""
    attend(*inputs(arguments, (1, 1, 64, 64, 64)), backend=name)  # so that libraries make their buffers first
    q, k, v = inputs(arguments, sizes)
    on_cuda = arguments.device == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, which getrusage's ru_maxrss never does
        before = resident_bytes("VmRSS")
    out = attend(q, k, v, backend=name)
    after = torch.cuda.max_memory_allocated() if on_cuda else resident_bytes("VmHWM")
    return after - before - out.nbytes


def free_bytes(device: str) -> int:
    """What may be taken without anything else having to give way."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def be_the_first_to_go() -> None:
    """Should memory run out all the same, the system ends this process and no other."""
    adjust = Path("/proc/self/oom_score_adj")
    if adjust.exists():
        adjust.write_text("1000")


def resident_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


if __name__ == "__main__":
    sys.exit(main())
