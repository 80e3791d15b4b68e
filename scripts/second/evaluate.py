"""Scores a model of the second edition with the judge: `python -m scripts.second.evaluate --model DIR` draws
the prompts of every task, has the judge check the pictures, and prints a table.

With `--common` only what the first edition knows is asked for, and pictures are seen at its 64 pixels: for
both editions.
"""

import argparse
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from scripts.second.scoring.drawing import add_options, draw, fields_of, load, num_nouns
from scripts.second.scoring.judge import Judge
from scripts.second.scoring.judge_stage import trained_judge
from scripts.second.scoring.statistics import frechet, interval, nearest
from scripts.second.scoring.tasks import BATCH, GENEVAL, TASKS, Task, plain, right
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.layout import PIXELS
from scripts.second.world.scene import Scene
from scripts.training.tools.grid import save_grid

FRESH = 30_000  # seeds of renders, apart from the seeds of the tasks
SEEN = 10**8  # the first of the steps whose scenes stand for those of training
FIRST_PIXELS, FIRST_NOUNS, FIRST_COUNT = 64, 56, 4  # of the first edition


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument("--prompts", type=int, default=100, help="prompts of each task")
    parser.add_argument("--seeds", type=int, default=1, help="pictures for each prompt")
    parser.add_argument("--renders", type=int, default=256, help="true renders of each task for the judge")
    parser.add_argument("--training", type=int, default=4096, help="training renders to look for copies in")
    parser.add_argument("--common", action="store_true", help="compare both editions")
    parser.add_argument("--tasks", nargs="*", choices=[task.name for task in TASKS], help="default: all")
    parser.add_argument("--grids", type=Path, help="a folder for a PNG of every task's pictures of seed 0")
    options = parser.parse_args()
    judge, pipe = trained_judge(options.run), load(options.model)
    nouns = min(num_nouns(pipe.model), FIRST_NOUNS) if options.common else num_nouns(pipe.model)
    world = World(options.world, replace(TWO_CORES.mixture, nouns=nouns), TWO_CORES.seed)
    known = [common(task) for task in TASKS[:GENEVAL]] if options.common else TASKS
    chosen = [task for task in known if not options.tasks or task.name in options.tasks]
    likeness = Likeness(judge, world)
    print(f"{nouns} nouns\n\n| task | right | 95 % | judge on true renders |\n|---|---|---|---|", flush=True)
    overall: list[float] = []
    for task in chosen:
        scenes = task.scenes(options.prompts, nouns)
        images = draw(pipe, [plain(scene) for scene in scenes], options.seeds, fields_of(options), task.name)
        side = FIRST_PIXELS if options.common else PIXELS
        line, score = row(judge, world, task, scenes, resized(images, side), options.renders, side)
        print(line, flush=True)
        if options.grids:
            name = task.name.replace(",", "").replace(" ", "-")
            save_grid(images[:: options.seeds] / 2 + 0.5, options.grids / f"{name}.png", 10, scale=1)
        if task.name in [each.name for each in TASKS[:GENEVAL]]:
            overall.append(score)
            if len(overall) == GENEVAL:
                print(f"| overall | {np.mean(overall):.3f} | | |", flush=True)
        if not options.common:
            likeness.add(scenes, images)
    if not options.common:
        print(f"\n{likeness.text(options.training)}")
    return 0


def common(task: Task) -> Task:
    """The task, without what the first edition has no words for."""
    return replace(
        task,
        suits=lambda scene: task.suits(scene) and all(thing.count <= FIRST_COUNT for thing in scene.things),
    )


def resized(images: Float[Tensor, "b 3 h w"], side: int) -> Float[Tensor, "b 3 h w"]:
    """The pictures as if they had `side` pixels a side, in their own size."""
    if images.shape[-1] == side:
        return images
    small = F.interpolate(images, size=(side, side), mode="bicubic", antialias=True)
    return F.interpolate(small, size=images.shape[2:], mode="bicubic").clamp(-1, 1)


def row(
    judge: Judge, world: World, task: Task, scenes: list[Scene], images: Tensor, renders: int, side: int
) -> tuple[str, float]:
    """A task's line of the table, and its score."""
    seeds = len(images) // len(scenes)
    answers = right(judge, images, [scene for scene in scenes for _ in range(seeds)], task)
    answers = answers.reshape(len(scenes), seeds)
    low, high = interval(answers, np.random.default_rng(0))
    true, asked = task.renders(world, renders)
    truth = right(judge, resized(true, side), asked, task).mean()
    score = float(answers.mean())
    return f"| {task.name} | {score:.3f} | {low:.3f} to {high:.3f} | {truth:.3f} |", score


@dataclass
class Likeness:
    """Compares pictures with renders of the same scenes: the Frechet distance of their features. And looks
    for copies: of the first task's pictures, how far the nearest training render is."""

    judge: Judge
    world: World
    features: tuple[list[Tensor], list[Tensor], list[Tensor]] = field(default_factory=lambda: ([], [], []))
    first: tuple[Tensor, Tensor] | None = None

    def add(self, scenes: list[Scene], images: Float[Tensor, "b 3 h w"]) -> None:
        asked = [scene for scene in scenes for _ in range(len(images) // len(scenes))]
        fresh, other = (self.world.compose(asked, Random(FRESH + number)).images for number in (0, 1))
        for found, of in zip(self.features, (images, fresh, other), strict=True):
            found.append(self._features(of))
        self.first = self.first or (images, fresh)

    @torch.no_grad()
    def _features(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c"]:
        return torch.cat([self.judge(part).features.float() for part in images.split(BATCH)])

    def text(self, training: int) -> str:
        drawn, fresh, other = (torch.cat(found) for found in self.features)
        assert self.first is not None
        distances = [
            nearest(
                images, (self.world.batch(SEEN + step, BATCH).images for step in range(-(-training // BATCH)))
            )
            for images in self.first
        ]
        return (
            f"Frechet distance of {len(drawn)} pictures to renders of the same prompts, in the judge's "
            f"features: {frechet(drawn, fresh):.3f} (two sets of renders: {frechet(other, fresh):.3f}).\n"
            f"Nearest of {training} training renders, root mean square of pixels in -1..1, median: "
            f"{distances[0]:.3f} (of a fresh render: {distances[1]:.3f})."
        )


if __name__ == "__main__":
    sys.exit(main())
