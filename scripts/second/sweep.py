"""Finds the steps, the scheduler and the guidance that suit a model: `python -m scripts.second.sweep --model
DIR` draws the same prompts in many ways, and prints the judge's score and the time of each.

A way is SCHEDULER:STEPS, SCHEDULER:STEPS:GUIDANCE or SCHEDULER:STEPS:GUIDANCE:START-END, where guidance acts
between two fractions of the steps.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from scripts.second.evaluate import FRESH
from scripts.second.scoring.drawing import draw, load, num_nouns
from scripts.second.scoring.kept import load_judge
from scripts.second.scoring.statistics import frechet, interval
from scripts.second.scoring.tasks import BATCH, GENEVAL, TASKS, plain, right
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World

WAYS = (
    "model:25:3", "model:20:3", "model:12:3", "dpm++2m:20:3", "dpm++2m:12:3", "dpm++2m:10:3", "dpm++2m:8:3",
    "dpm++2m:12:2", "dpm++2m:12:4", "dpm++2m:12:3:0.15-0.75",
)  # fmt: skip
NAMES = (*(task.name for task in TASKS[:GENEVAL]), "place", "style")
COLUMNS = ("way", "right", "95 %", "weakest task", "Frechet distance", "seconds of a core")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="a folder in diffusers layout, or `default`")
    parser.add_argument("--run", type=Path, help="where stage `judge` has run; the kept judge if omitted")
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument("--prompts", type=int, default=20, help="prompts of each task")
    parser.add_argument("--tasks", nargs="+", choices=[task.name for task in TASKS], default=NAMES)
    parser.add_argument("--ways", nargs="+", default=WAYS)
    options = parser.parse_args()
    ways = {text: fields_of_way(text) for text in options.ways}
    judge, pipe = load_judge(options.run), load(options.model)
    nouns = num_nouns(pipe.model)
    world = World(options.world, replace(TWO_CORES.mixture, nouns=nouns), TWO_CORES.seed)
    tasks = {task: task.scenes(options.prompts, nouns) for task in TASKS if task.name in options.tasks}
    scenes = [scene for asked in tasks.values() for scene in asked]

    @torch.no_grad()
    def features(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([judge(part).features.float() for part in images.split(BATCH)])

    renders = features(torch.cat([world.compose(asked, Random(FRESH)).images for asked in tasks.values()]))
    print(f"{len(scenes)} prompts\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for text, fields in ways.items():
        began = time.process_time()
        images = draw(pipe, [plain(scene) for scene in scenes], 1, fields, text)
        seconds = (time.process_time() - began) / len(scenes)
        pairs = zip(images.split(options.prompts), tasks.items(), strict=True)
        marks = {task.name: right(judge, part, asked, task) for part, (task, asked) in pairs}
        answers = np.concatenate(list(marks.values()))
        low, high = interval(answers, np.random.default_rng(0))
        worst = min(marks, key=lambda name: float(marks[name].mean()))
        cells = [text, f"{answers.mean():.3f}", f"{low:.3f} to {high:.3f}"]
        cells += [f"{worst} {marks[worst].mean():.2f}", f"{frechet(features(images), renders):.3f}"]
        print(f"| {' | '.join(cells)} | {seconds:.2f} |", flush=True)
    return 0


def fields_of_way(text: str) -> dict[str, Any]:
    """The fields of a request that is drawn in a way.

    Raises:
        ValueError: the text is none.
    """
    scheduler, steps, *rest = text.split(":")
    fields: dict[str, Any] = {"scheduler": scheduler, "num_steps": int(steps)}
    if rest:
        fields["guidance_scale"] = float(rest[0])
    if rest[1:]:
        start, end = rest[1].split("-")
        fields |= {"guidance_start": float(start), "guidance_end": float(end)}
    return fields


if __name__ == "__main__":
    sys.exit(main())
