"""Scores a model of the second edition with the judge: `python -m scripts.second.evaluate --model DIR` draws
the prompts of every task, has the judge check the pictures, and prints a table."""

import argparse
import sys
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline import TextToImagePipeline
from scripts.evaluate_model import TRAINING_SCENES, comparison, draw
from scripts.second.scoring.judge import Judge
from scripts.second.scoring.judge_stage import trained_judge
from scripts.second.scoring.tasks import GENEVAL, TASKS, Task, plain, right
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.layout import PIXELS
from scripts.second.world.scene import Scene
from scripts.training.scoring.scores import interval
from scripts.training.tools.grid import save_grid
from scripts.world.composer import PIXELS as OLD_PIXELS
from scripts.world.vocabulary import NOUNS as OLD_NOUNS

FRESH = 30_000  # seeds of renders, apart from the seeds of the tasks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("build/train2"), help="folder of a run whose stage `judge` is done"
    )
    parser.add_argument("--prompts", type=int, default=40, help="prompts of each task")
    parser.add_argument("--seeds", type=int, default=4, help="pictures for each prompt")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--scheduler", default="model", help="a name of `limelight generate --scheduler`")
    parser.add_argument(
        "--common",
        action="store_true",
        help="GenEval's tasks with the nouns of the first edition, seen at its 64 pixels: for both editions",
    )
    parser.add_argument("--tasks", nargs="*", choices=[task.name for task in TASKS], help="default: all")
    parser.add_argument("--grids", type=Path, help="a folder for a PNG of every task's pictures of seed 0")
    options = parser.parse_args()
    judge, pipe = trained_judge(options.run), TextToImagePipeline.from_pretrained(options.model)
    world = World(options.world, TWO_CORES.mixture, TWO_CORES.seed)
    fields = {
        "num_steps": options.steps,
        "guidance_scale": options.guidance,
        "scheduler": options.scheduler,
    }
    known = TASKS[:GENEVAL] if options.common else TASKS
    nouns = len(OLD_NOUNS) if options.common else world.mixture.nouns
    chosen = [task for task in known if not options.tasks or task.name in options.tasks]
    print("| task | right | 95 % | judge on true renders |\n|---|---|---|---|", flush=True)
    overall: list[float] = []
    for task in chosen:
        scenes = task.scenes(options.prompts, nouns)
        images = draw(pipe, [plain(scene) for scene in scenes], options.seeds, fields, task.name, rows=16)
        images = resized(resized(images, OLD_PIXELS), PIXELS) if options.common else images
        line, score = row(judge, world, task, scenes, images)
        print(line, flush=True)
        if options.grids:
            name = task.name.replace(",", "").replace(" ", "-")
            save_grid(images[:: options.seeds] / 2 + 0.5, options.grids / f"{name}.png", 10, scale=1)
        if task in TASKS[:GENEVAL]:
            overall.append(score)
            if len(overall) == GENEVAL:
                print(f"| overall | {np.mean(overall):.3f} | | |", flush=True)
        if task.name == "place":
            print(likeness(judge, world, scenes, images), file=sys.stderr)
    return 0


def resized(images: Float[Tensor, "b 3 h w"], side: int) -> Float[Tensor, "b 3 s s"]:
    """The pictures with another number of pixels a side."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True).clamp(-1, 1)


def row(judge: Judge, world: World, task: Task, scenes: list[Scene], images: Tensor) -> tuple[str, float]:
    """A task's line of the table, and its score."""
    seeds = len(images) // len(scenes)
    answers = right(judge, images, [scene for scene in scenes for _ in range(seeds)], task)
    answers = answers.reshape(len(scenes), seeds)
    low, high = interval(answers, np.random.default_rng(0))
    renders, asked = task.renders(world, 256)
    truth = right(judge, renders, asked, task).mean()
    score = float(answers.mean())
    return f"| {task.name} | {score:.3f} | {low:.3f} to {high:.3f} | {truth:.3f} |", score


@torch.no_grad()
def likeness(judge: Judge, world: World, scenes: list[Scene], images: Float[Tensor, "b 3 h w"]) -> str:
    """Compares the pictures with renders of the same scenes: the Frechet distance of their features, and the
    distance of pictures from the nearest training render, which is small if they are copies."""
    asked = [scene for scene in scenes for _ in range(len(images) // len(scenes))]
    fresh, other = (world.compose(asked, Random(FRESH + number)).images for number in (0, 1))
    seen = torch.cat([world.batch(10**8 + step, 64).images for step in range(TRAINING_SCENES // 64)])
    return comparison(lambda pictures: judge(pictures).features.float(), images, fresh, other, seen)


if __name__ == "__main__":
    sys.exit(main())
