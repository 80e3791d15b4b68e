"""Compares times of whole pictures with diffusers' pipeline: `python -m scripts.benchmark picture`.

From a prompt to the picture in memory, one at a time and without loading, both from the same folder with the
same steps and the scheduler that it names. In each round both draw the same new prompt from the same new
seed, in turns. Every round gives a ratio; the report has the median, the least and the most. The difference
is the largest of all pixels and rounds.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.locate import locate_model
from scripts.benchmarks.tools.images import largest_difference
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.shares import Places, shares
from scripts.benchmarks.tools.turns import Ratio, Taken, clock, processor, seconds, timed

TITLE = "From prompt to picture"
DEVICES = ("cpu",)
QUICK = {"rounds": 2}
PROMPTS = [
    f"a {colour} {thing}"
    for thing in ("apple", "star", "frog", "fish", "cat", "flower", "house", "car")
    for colour in ("red", "blue", "green", "yellow", "orange")
]
VAE_AND_SCHEDULERS: Places = {
    ("autoencoder_kl.py", "decode"): "decoding",
    ("schedulers/scheduling_", "step"): "scheduler",
}
PLACES: dict[str, Places] = {
    "diffusers": {
        ("unets/unet_2d_condition.py", "forward"): "U-Net",
        ("pipeline_stable_diffusion.py", "encode_prompt"): "prompts",
        **VAE_AND_SCHEDULERS,
    },
    "Limelight": {
        ("pipeline/sampling/predict.py", "predict"): "U-Net",
        ("pipeline/text/encoder.py", "prompt"): "prompts",
        ("pipeline/text/encoder.py", "negative"): "prompts",
        **VAE_AND_SCHEDULERS,
    },
}
Draw = Callable[[str, int], Image.Image]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--steps", type=int, default=25)
    parser.set_defaults(rounds=8)


def measure(options: argparse.Namespace) -> Iterator[Section]:
    stock = stock_pipeline(options.model)
    last = stock_pipeline(options.model)
    last.unet.to(memory_format=torch.channels_last)
    ours = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    scale = ours.model.family.guidance_scale  # diffusers has 7.5 for every model
    ways: dict[str, Draw] = {
        "diffusers": partial(_theirs, stock, options.steps, scale),
        "diffusers, channels last": partial(_theirs, last, options.steps, scale),
        "Limelight": partial(_ours, ours, options.steps),
    }
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    apart = dict.fromkeys(ways, 0)
    for number in range(options.rounds + 1):
        pictures: dict[str, Image.Image] = {}
        for name, draw in ways.items():
            prompt = PROMPTS[number % len(PROMPTS)]
            pictures[name], spent = timed(partial(draw, prompt, number))
            if number > 0:  # the first round warms up
                taken[name].append(spent)
        for name, picture in pictures.items():
            apart[name] = max(apart[name], largest_difference(picture, pictures["diffusers"]))
    first = taken["diffusers"]
    found = {name: Ratio.of(processor(spent), processor(first)) for name, spent in taken.items()}
    rows = [
        [
            name,
            seconds(processor(spent)),
            str(found[name]),
            seconds(clock(spent)),
            str(Ratio.of(clock(spent), clock(first))),
            f"{apart[name]}/255",
        ]
        for name, spent in taken.items()
    ]
    columns = ("way", "seconds", "of diffusers'", "by the clock", "of diffusers'", "difference")
    times = 1 / found["Limelight"].median
    yield Section(
        text=f"{options.model}, {options.steps} steps, {options.rounds} pictures: Limelight is {times:.2f} "
        "times as fast as diffusers.",
        columns=columns,
        rows=rows,
        bars={options.model: {name: ratio.median for name, ratio in found.items()}},
    )
    spent = [f"- {name}: {shares(partial(ways[name], PROMPTS[-1], 0), PLACES[name])}." for name in PLACES]
    yield Section(text="\n".join(["Where the time goes, of one more picture, under a profiler:", "", *spent]))


def stock_pipeline(model: str) -> Any:
    """diffusers' pipeline with its defaults, without a progress bar."""
    from diffusers import StableDiffusionPipeline

    stock = StableDiffusionPipeline.from_pretrained(
        locate_model(model), safety_checker=None, torch_dtype=torch.float32
    )
    stock.set_progress_bar_config(disable=True)
    return stock


def _theirs(stock: Any, steps: int, scale: float, prompt: str, seed: int) -> Image.Image:
    generator = torch.Generator("cpu").manual_seed(seed)
    options = {"num_inference_steps": steps, "guidance_scale": scale}
    return stock(prompt, generator=generator, **options).images[0]


def _ours(pipe: TextToImagePipeline, steps: int, prompt: str, seed: int) -> Image.Image:
    return pipe(prompt, seed=seed, num_steps=steps).image
