"""Scores a model by the judge: `python -m scripts.evaluate_model` draws the prompts of every task, scores the
pictures, and prints a table."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from rich.console import Console
from rich.progress import track
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from scripts.second.scoring.statistics import frechet, interval
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.scoring.judge import Judge, trained_judge
from scripts.training.scoring.scores import GENEVAL, TASKS, Task, plain, right
from scripts.training.tools.grid import save_grid
from scripts.training.vae import HELD_OUT_STEP
from scripts.world.scene import Scene

FRESH_STEP = HELD_OUT_STEP + 2
TRAINING_SCENES = 4096


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument(
        "--run", type=Path, help="where stage `judge` has run; without it, the judge that is kept"
    )
    parser.add_argument("--prompts", type=int, default=40, help="for each task")
    parser.add_argument("--seeds", type=int, default=4, help="pictures for each prompt")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--scheduler", default="model", help="a name of `limelight generate --scheduler`")
    count = {"choices": range(1, len(TASKS) + 1), "metavar": "N", "help": "number of tasks, from the first"}
    parser.add_argument("--tasks", type=int, default=len(TASKS), **count)
    parser.add_argument("--grids", type=Path, help="a folder for a PNG of every task's pictures of seed 0")
    arguments = parser.parse_args()
    judge, pipe = trained_judge(arguments.run), TextToImagePipeline.from_pretrained(arguments.model)
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed)
    print("| task | right | 95 % | ground right | judge on true renders |\n|---|---|---|---|---|", flush=True)
    overall, drawn = [], []
    fields = {
        "num_steps": arguments.steps,
        "guidance_scale": arguments.guidance,
        "scheduler": arguments.scheduler,
    }
    for number, task in enumerate(TASKS[: arguments.tasks]):
        scenes = task.scenes(arguments.prompts)
        images = draw(pipe, [plain(scene) for scene in scenes], arguments.seeds, fields, task.name)
        print(row(judge, world, task, scenes, images, overall), flush=True)
        drawn.append(images)
        if arguments.grids:
            name = task.name.replace(",", "").replace(" ", "-")
            save_grid(images[:: arguments.seeds] / 2 + 0.5, arguments.grids / f"{name}.png", 10)
        if number + 1 == GENEVAL:
            print(f"| overall | {np.mean(overall):.3f} | | | |", flush=True)
    print(likeness(judge, world, drawn[0]))
    return 0


def draw(
    pipe: TextToImagePipeline,
    prompts: list[str],
    seeds: int,
    fields: dict[str, Any],
    name: str,
    rows: int = 32,
) -> Float[Tensor, "b 3 h w"]:
    """Pictures (b, 3, h, w) of range -1..1, `seeds` of each prompt in a row; `rows` are drawn at once."""
    requests = [
        GenerationRequest(prompt=prompt, seed=seed, **fields) for prompt in prompts for seed in range(seeds)
    ]
    parts = [requests[start : start + rows] for start in range(0, len(requests), rows)]
    images = [
        np.asarray(result.image, np.float32) / 127.5 - 1
        for part in track(parts, name, transient=True, console=Console(stderr=True))
        for result in pipe(part)
    ]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def row(
    judge: Judge, world: World, task: Task, scenes: list[Scene], images: Tensor, overall: list[float]
) -> str:
    """A task's line of the table; appends its score to `overall`."""
    seeds = len(images) // len(scenes)
    marks = right(judge, images, [scene for scene in scenes for _ in range(seeds)], task)
    answers = marks["right"].reshape(len(scenes), seeds)
    low, high = interval(answers, np.random.default_rng(0))
    asked = task.scenes(512)
    renders = world.compose(asked, np.random.default_rng(HELD_OUT_STEP)).images
    truth = right(judge, renders, asked, task)["right"].mean()
    overall.append(answers.mean())
    ground = marks["ground"].mean()
    return f"| {task.name} | {answers.mean():.3f} | {low:.3f} to {high:.3f} | {ground:.3f} | {truth:.3f} |"


@torch.no_grad()
def likeness(judge: Judge, world: World, images: Float[Tensor, "b 3 h w"]) -> str:
    """Compares the pictures of single objects with renders, and looks for copies of training renders."""
    scenes = TASKS[0].scenes(len(images))
    fresh = world.compose(scenes, np.random.default_rng(FRESH_STEP)).images
    other = world.compose(scenes, np.random.default_rng(FRESH_STEP + 1)).images
    seen = torch.cat([world.batch(10**8 + step, 256).images for step in range(TRAINING_SCENES // 256)])
    return comparison(lambda pictures: judge(pictures).features, images, fresh, other, seen)


def comparison(
    features_of: Callable[[Tensor], Tensor], images: Tensor, fresh: Tensor, other: Tensor, seen: Tensor
) -> str:
    """The Frechet distance between pictures and renders, and the distance to the nearest training render.

    Args:
        images: pictures of the model, (b, 3, h, w) of range -1..1, as all others.
        fresh: renders of the same scenes.
        other: renders of the same scenes with another seed.
        seen: renders that the model was trained on.
    """
    features = [features_of(pictures) for pictures in (images, fresh, other)]
    nearest = [
        torch.cdist(pictures.flatten(1), seen.flatten(1)).amin(1).median() / pictures[0].numel() ** 0.5
        for pictures in (images, fresh)
    ]
    drawn, renders = frechet(features[0], features[1]), frechet(features[2], features[1])
    return (
        f"\nFrechet distance to renders of the same prompts, in the judge's features: {drawn:.3f} "
        f"(two sets of renders: {renders:.3f}).\n"
        f"Nearest of {len(seen)} training renders, root mean square of pixels in -1..1, median: "
        f"{nearest[0]:.3f} (of a fresh render: {nearest[1]:.3f})."
    )


if __name__ == "__main__":
    sys.exit(main())
