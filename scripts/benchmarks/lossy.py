"""The gain and loss of `lossy_cache_interval`: `python -m scripts.benchmark lossy`.

A prediction that reuses features is compared with a whole one, for two rows of one latent; with one whole in
N, the gain is N / (1 + (N - 1) s), s the share that the other takes. Pictures of the default model, 25 steps,
are compared with the exact ones of the same prompts and seeds. So are pictures of fewer steps, the other way
to save time: a lossy cache is worth its loss only if it loses less than they do. Times are of the processor,
in turns; pictures' times include prompt and decoding.
"""

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.memory import free_bytes
from limelight.unet import DeepFeature, UNet, optimize
from scripts.benchmarks.tools import models
from scripts.benchmarks.tools.likeness import psnr, ssim
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Ratio, processor, seconds, take_turns, timed
from scripts.training.scoring.judge import Judge, trained_judge
from scripts.training.scoring.scores import GENEVAL, TASKS, plain, right
from scripts.world.scene import Scene

TITLE = "Lossy caching of deep features"
DEVICES = ("cpu",)
QUICK = {"models": "default", "prompts": 1, "rounds": 1}
SIZES = {"default": "128", "sd1": "256,512", "sdxl": "512"}  # pixels
INTERVALS = (2, 3, 5)
EXACT = "exact"
WAYS: dict[str, dict[str, Any]] = {
    EXACT: {},
    **{f"one prediction in {n} whole": {"lossy_cache_interval": n} for n in INTERVALS},
    **{f"{steps} steps, exact": {"num_steps": steps} for steps in (13, 10, 8)},
    "guidance in the first 60 % of the steps": {"guidance_end": 0.6},
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", default="default,sd1", help="whose predictions are timed")
    parser.add_argument("--sizes", help="of the picture, in pixels; not of the default model's")
    parser.add_argument(
        "--prompts", type=int, default=4, help="of each of GenEval's six tasks; 0 draws no pictures"
    )
    parser.add_argument(
        "--judge", type=Path, help="where stage `judge` has run; without it, the judge that is kept"
    )


def measure(options: argparse.Namespace) -> Iterator[Section]:
    if unknown := [name for name in options.models.split(",") if name not in models.CONFIGS]:
        raise SystemExit(f"{unknown[0]!r} is not known; must be of {', '.join(models.CONFIGS)}")
    yield _predictions(options)
    if options.prompts:
        yield _pictures(options)


@torch.inference_mode()
def _predictions(options: argparse.Namespace) -> Section:
    rows = []
    for name in options.models.split(","):
        theirs = models.diffusers_unet(name)
        unet = optimize(models.our_unet(theirs.config, theirs.state_dict()), free_memory=free_bytes())
        sizes = SIZES[name] if options.sizes is None or name == "default" else options.sizes
        for pixels in map(int, sizes.split(",")):
            given, deep = models.inputs(name, pixels), DeepFeature()
            whole = partial(_predict, unet, given, None)
            _predict(unet, given, deep)
            between = partial(_predict, unet, given, deep)
            between()  # measures convolutions
            found = take_turns({"whole": whole, "between": between}, options.rounds)
            times = {way: processor(taken) for way, taken in found.items()}
            share = Ratio.of(times["between"], times["whole"])
            gains = [f"{n / (1 + (n - 1) * share.median):.2f}" for n in INTERVALS]
            rows.append([models.NAMES[name], str(pixels), seconds(times["whole"]), str(share), *gains])
    columns = (
        "U-Net",
        "pixels",
        "whole, seconds",
        "share of one between",
        *(f"gain, N = {n}" for n in INTERVALS),
    )
    return Section("Time of predictions", "", columns, rows)


def _predict(unet: UNet, given: models.Inputs, deep: DeepFeature | None) -> Tensor:
    return unet(given.x, given.timesteps, given.context, given.pooled, given.size_ids, deep=deep)


def _pictures(options: argparse.Namespace) -> Section:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    scenes = {task.name: task.scenes(options.prompts) for task in TASKS[:GENEVAL]}
    prompts = [plain(scene) for each in scenes.values() for scene in each]
    pipe(prompts[0], num_steps=1)  # warms up
    pictures: dict[str, list[Tensor]] = {way: [] for way in WAYS}
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed, prompt in enumerate(prompts):
        for way, fields in WAYS.items():
            request = GenerationRequest(prompt=prompt, seed=seed, **fields)
            result, taken = timed(partial(pipe, request))
            pictures[way].append(
                torch.from_numpy(np.asarray(result.image, np.float32) / 255).permute(2, 0, 1)
            )
            times[way].append(taken.processor)
    drawn = {way: torch.stack(each) for way, each in pictures.items()}
    judge = trained_judge(options.judge)
    rows = []
    for way, images in drawn.items():
        likeness = ["", ""]
        if way != EXACT:
            decibels, similar = psnr(images, drawn[EXACT]), ssim(images, drawn[EXACT])
            worst = f"{decibels.median():.1f} ({decibels.min():.1f} to {decibels.max():.1f})"
            likeness = [worst, f"{similar.median():.3f} ({similar.min():.3f} to {similar.max():.3f})"]
        gain = sum(times[EXACT]) / sum(times[way])
        rows.append([way, f"{gain:.2f}", *likeness, _score(judge, images, scenes)])
    columns = ("way", "times faster", "PSNR, dB", "SSIM", "right, by the judge")
    text = f"{len(prompts)} prompts. PSNR and SSIM against the exact pictures: median, least and most."
    return Section("Pictures of the default model", text, columns, rows)


def _score(judge: Judge, images: Float[Tensor, "b c h w"], scenes: Mapping[str, list[Scene]]) -> str:
    """The share of the pictures that show their prompt."""
    tasks = {task.name: task for task in TASKS}
    parts = (images * 2 - 1).split([len(each) for each in scenes.values()])
    found = [
        right(judge, part, asked, tasks[name])["right"]
        for part, (name, asked) in zip(parts, scenes.items(), strict=True)
    ]
    return f"{np.concatenate(found).mean():.3f}"
