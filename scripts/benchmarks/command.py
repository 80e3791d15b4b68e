"""Times whole commands that draw many pictures: `python -m scripts.benchmark command`.

`limelight batch` with a manifest, and the fewest lines that a loop of diffusers' pipeline takes, each in a
process of its own that imports, loads, draws and saves, with all cores to use as it likes. They take turns,
and each round gives a ratio: the report has the median, the least and the most.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from limelight.pipeline.models.locate import locate_model
from scripts.benchmarks.tools import process
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Ratio, seconds
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUNS

TITLE = "Many pictures by one command"
DEVICES = ("cpu",)
QUICK = {"rounds": 1, "pictures": 16, "steps": 5, "batches": "8"}
DIFFUSERS = """
import sys
import torch
from diffusers import StableDiffusionPipeline

folder, manifest, batch, steps, scale, output = sys.argv[1:]
prompts = open(manifest).read().splitlines()
pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
pipe.set_progress_bar_config(disable=True)
for start in range(0, len(prompts), int(batch)):
    some = prompts[start : start + int(batch)]
    seeds = [torch.Generator("cpu").manual_seed(start + i) for i in range(len(some))]
    found = pipe(some, generator=seeds, num_inference_steps=int(steps), guidance_scale=float(scale))
    for i, image in enumerate(found.images):
        image.save(f"{output}/{start + i}.png")
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--pictures", type=int, default=128)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--batches", default="1,8", help="pictures at a time, separated by commas")
    parser.add_argument("--workers", help="of limelight batch; as many as it starts itself if not given")
    parser.set_defaults(threads=os.cpu_count())


def measure(options: argparse.Namespace) -> Iterator[Section]:
    rows, bars = [], {}
    for batch in map(int, options.batches.split(",")):
        taken = clocks(options, batch)
        ratio = Ratio.of(taken["diffusers"], taken["Limelight"])
        rows.append([str(batch), *map(seconds, taken.values()), str(ratio)])
        bars[f"{batch} at a time"] = {"diffusers": 1.0, "Limelight": 1 / ratio.median}
    columns = ("pictures at a time", "diffusers, s", "limelight batch, s", "times as fast")
    text = (
        f"{options.model}, {options.pictures} pictures of {options.steps} steps, {options.threads} threads."
    )
    yield Section(text=text, columns=columns, rows=rows, num_texts=0, bars=bars)


def clocks(options: argparse.Namespace, batch: int) -> dict[str, list[float]]:
    """Seconds by the clock of each round, by who drew."""
    found: dict[str, list[float]] = {"diffusers": [], "Limelight": []}
    prompts = [
        f"a {colour} {noun.word} on a {ground} background"
        for noun, colour, ground in product(NOUNS, COLOURS, BACKGROUNDS)
    ]
    for _ in range(options.rounds):
        for name in found:
            with tempfile.TemporaryDirectory() as scratch:
                folder, manifest = Path(scratch), Path(scratch) / "m.txt"
                manifest.write_text("\n".join(prompts[: options.pictures]))
                ended = process.run(
                    command(name, options, manifest, batch, folder),
                    environment={"OMP_NUM_THREADS": str(options.threads)},
                )
                assert len(list(folder.rglob("*.png"))) == options.pictures
            found[name].append(ended.clock)
    return found


def command(name: str, options: argparse.Namespace, manifest: Path, batch: int, folder: Path) -> list[str]:
    """The arguments of Python that draw `manifest` into `folder`."""
    steps, scale = str(options.steps), "3.0"  # diffusers has 7.5 for every model
    if name == "diffusers":
        model = str(locate_model(options.model))
        return ["-c", DIFFUSERS, model, str(manifest), str(batch), steps, scale, str(folder)]
    given = ["--max-batch", str(batch), "--device", "cpu", "--model", options.model]
    given += ["--matrix", f"num_steps={steps}", "--matrix", f"guidance_scale={scale}"]
    given += ["--workers", options.workers] if options.workers else []
    return ["-m", "limelight", "batch", str(manifest), "-o", str(folder), *given]
