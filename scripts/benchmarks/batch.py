"""Times a batch against a plain loop of diffusers' pipeline: `python -m scripts.benchmark batch`.

The same rows, the same model, in one process; the two take turns, round after round, and each round gives
a ratio. The times are from prompt to PNG on disk, without loading. Processor time is given next to wall time,
since other programs on the machine affect it less.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.run import Run, open_output
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World
from scripts.benchmarks.picture import PROMPTS, stock_pipeline
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.shares import Places, shares
from scripts.benchmarks.tools.turns import Ratio, Taken, clock, processor, timed

TITLE = "A batch against a plain loop of diffusers' pipeline"
DEVICES = ("cpu",)
QUICK = {"rounds": 1, "pictures": 4, "steps": 5, "batches": "4"}
PLACES: Places = {
    ("pipeline/sampling/predict.py", "predict"): "U-Net",
    ("pipeline/sampling/engine.py", "add"): "prompts and noise",
    ("pipeline/sampling/engine.py", "_advance"): "schedulers",
    ("batch/claims.py", "claim"): "claims",
    ("batch/writer.py", "drain"): "waiting for the last to be saved",
    ("batch/run.py", "_sum_up"): "index and gallery",
}
STOCK_PLACES: Places = {
    ("unets/unet_2d_condition.py", "forward"): "U-Net",
    ("pipeline_stable_diffusion.py", "encode_prompt"): "prompts",
    ("schedulers/scheduling_", "step"): "schedulers",
    ("autoencoder_kl.py", "decode"): "decoding",
    ("PIL/Image.py", "save"): "PNG",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--pictures", type=int, default=16, help="in a round")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--batches", default="1,8", help="pictures at a time, separated by commas")


def measure(options: argparse.Namespace) -> Iterator[Section]:
    stock = stock_pipeline(options.model)
    ours = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    rows, places, bars = [], [], {}
    for batch in map(int, options.batches.split(",")):
        row, where, ratio = compare(stock, ours, batch, options)
        rows.append(row)
        places.append(where)
        bars[f"{batch} at a time"] = {"diffusers": 1.0, "Limelight": 1 / ratio}
    columns = ("pictures at a time", "diffusers, pictures/s", "Limelight, pictures/s")
    columns += ("ratio by the clock", "ratio of processor time")
    yield Section(
        text=f"{options.model}, {options.pictures} pictures of {options.steps} steps a round.",
        columns=columns,
        rows=rows,
        num_texts=0,
        bars=bars,
    )
    text = "Where the main thread's time goes, under a profiler; Limelight decodes and saves in another:"
    yield Section(text="\n".join([text, "", *places]))


def compare(
    stock: Any, ours: TextToImagePipeline, batch: int, options: argparse.Namespace
) -> tuple[list[str], str, float]:
    """A row of the table, a line of where the time goes, and how many times faster ours is."""
    prompts = PROMPTS[: options.pictures]
    ours.engine.max_rows, scale = 2 * batch, ours.model.family.guidance_scale
    taken: list[tuple[Taken, Taken]] = []
    for number in range(options.rounds + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            theirs = partial(loop, stock, prompts, batch, options.steps, scale, folder)
            manifest = folder / "m.csv"
            rows = (f"{prompt},{seed},{options.steps}" for seed, prompt in enumerate(prompts))
            manifest.write_text("\n".join(["prompt,seed,num_steps", *rows]))
            both = timed(theirs)[1], timed(partial(run, ours, manifest, folder / "out"))[1]
            ours.model.text.forget()
            if number == options.rounds:
                spent = shares(partial(run, ours, manifest, folder / "again"), PLACES)
                ours.model.text.forget()
                stock_spent = shares(theirs, STOCK_PLACES)
        if number:  # the first round warms both up
            taken.append(both)
    stock_taken, ours_taken = zip(*taken, strict=True)
    rates = [statistics.median(len(prompts) / s for s in clock(each)) for each in (stock_taken, ours_taken)]
    ratios = [Ratio.of(of(stock_taken), of(ours_taken)).median for of in (clock, processor)]
    row = [str(batch), *(f"{each:.2f}" for each in (*rates, *ratios))]
    return row, f"- {batch} at a time: Limelight: {spent}; diffusers: {stock_spent}.", ratios[1]


def loop(stock: Any, prompts: list[str], batch: int, steps: int, scale: float, folder: Path) -> None:
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        seeds = [torch.Generator("cpu").manual_seed(start + i) for i in range(len(some))]
        images = stock(some, generator=seeds, num_inference_steps=steps, guidance_scale=scale).images
        for i, image in enumerate(images):
            image.save(folder / f"{start + i}.png")


def run(pipe: TextToImagePipeline, manifest: Path, output: Path) -> None:
    world = World(run="benchmark")
    lock = open_output(output, world)
    try:
        Run.begin(read_rows(manifest), output, world, lock, pipe.engine).draw(Stop(), lambda left: None)
    finally:
        lock.leave()
