"""Times a batch against a plain loop of diffusers' pipeline: `python -m scripts.benchmark_batch`.

The same rows, the same model, in one process; the two take turns, round after round, and each round gives
ratio. What is compared is from prompt to PNG on disk; loading is not in it. Processor time is told
beside the clock's, since other programs on the machine lengthen the one and not the other.
"""

import argparse
import cProfile
import pstats
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline import TextToImagePipeline
from pipeline.batch.rows import read_rows
from pipeline.batch.run import Run, open_output
from pipeline.batch.stop import Stop
from pipeline.batch.team import Team
from pipeline.locate import locate_model

# Functions whose time, with that of all they call, is told; no one of them calls another.
PLACES = {
    "predict": "U-Net",
    "add": "prompts and noise",
    "_advance": "schedulers",
    "claim": "claims",
    "drain": "waiting for the last to be saved",
    "_sum_up": "index and gallery",
}
STOCK_PLACES = {"encode_prompt": "prompts", "decode": "decoding", "save": "PNG", "step": "schedulers"}
COLOURS = ("red", "blue", "green", "yellow", "orange")
THINGS = ("apple", "star", "frog", "fish", "cat", "flower", "house", "car")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--pictures", type=int, default=16, help="in a round")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--note", default="")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    report = "\n".join(markdown(arguments))
    print(report)
    if arguments.output is not None:
        arguments.output.write_text(report + "\n")
    return 0


def markdown(arguments: argparse.Namespace) -> list[str]:
    from diffusers import StableDiffusionPipeline

    folder = locate_model(arguments.model)
    stock = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, torch_dtype=torch.float32)
    stock.set_progress_bar_config(disable=True)
    ours = TextToImagePipeline.from_pretrained(arguments.model, device="cpu")
    command = shlex.join(["python", "-m", "scripts.benchmark_batch", *sys.argv[1:]])
    lines = [
        "# A batch against a plain loop of diffusers' pipeline",
        "",
        f"{arguments.note or 'The default model on a CPU'}; {arguments.pictures} pictures of "
        f"{arguments.steps} steps a round, {arguments.rounds} rounds in turns, {arguments.threads} threads.",
        "",
        f"    {command}",
        "",
        "| pictures at a time | diffusers, pictures/s | Limelight, pictures/s | ratio by the clock | "
        "ratio of processor time |",
        "|--:|--:|--:|--:|--:|",
    ]
    shares = []
    for batch in map(int, arguments.batches.split(",")):
        row, where = compare(stock, ours, batch, arguments)
        lines.append(row)
        shares.append(where)
    return [
        *lines,
        "",
        "Where the main thread's time goes, under a profiler; Limelight decodes and saves in another thread:",
        "",
        *shares,
    ]


def compare(
    stock: Any, ours: TextToImagePipeline, batch: int, arguments: argparse.Namespace
) -> tuple[str, str]:
    """A row of the table, and a line of where the time goes."""
    prompts = [f"a {c} {t}" for t in THINGS for c in COLOURS][: arguments.pictures]
    ours.engine.max_rows = 2 * batch
    clocks: list[tuple[float, float]] = []
    processors: list[tuple[float, float]] = []
    for number in range(arguments.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            theirs = timed(lambda f=folder: loop(stock, prompts, batch, arguments.steps, Path(f)))
            manifest = Path(folder) / "m.csv"
            rows = (f"{prompt},{seed},{arguments.steps}" for seed, prompt in enumerate(prompts))
            manifest.write_text("\n".join(["prompt,seed,num_steps", *rows]))
            mine = timed(lambda f=folder, m=manifest: run(ours, m, Path(f) / "out"))
            ours.model.text.forget()
            if number == arguments.rounds:
                spent = profiled(lambda f=folder, m=manifest: run(ours, m, Path(f) / "again"), PLACES)
                ours.model.text.forget()
                stock_spent = profiled(
                    lambda f=folder: loop(stock, prompts, batch, arguments.steps, Path(f)), STOCK_PLACES
                )
        if number:  # the first round warms both up
            clocks.append((theirs[0], mine[0]))
            processors.append((theirs[1], mine[1]))
    count = len(prompts)
    stock_rate, rate = (statistics.median(count / pair[i] for pair in clocks) for i in (0, 1))
    ratios = [statistics.median(a / b for a, b in pairs) for pairs in (clocks, processors)]
    row = f"| {batch} | {stock_rate:.2f} | {rate:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"
    return row, f"- {batch} at a time: Limelight: {spent}; diffusers: {stock_spent}."


def profiled(work: Callable[[], None], places: Mapping[str, str]) -> str:
    """How the time of the main thread is shared out."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats: Any = pstats.Stats(profile)
    spent = dict.fromkeys(places.values(), 0.0)
    for (file, _, name), (_, _, _, cumulative, _) in stats.stats.items():
        if name in places and ("pipeline" in file or "diffusers" in file or "PIL" in file):
            spent[places[name]] = max(spent[places[name]], cumulative)
    return ", ".join(f"{name} {seconds / stats.total_tt:.0%}" for name, seconds in spent.items())


def loop(stock: Any, prompts: list[str], batch: int, steps: int, folder: Path) -> None:
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        seeds = [torch.Generator("cpu").manual_seed(start + i) for i in range(len(some))]
        images = stock(some, generator=seeds, num_inference_steps=steps, guidance_scale=7.5).images
        for i, image in enumerate(images):
            image.save(folder / f"{start + i}.png")


def run(pipe: TextToImagePipeline, manifest: Path, output: Path) -> None:
    team = Team(run="benchmark")
    seat = open_output(output, team)
    try:
        Run.begin(read_rows(manifest), output, team, seat, pipe.engine).draw(Stop(), lambda left: None)
    finally:
        seat.leave()


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    sys.exit(main())
