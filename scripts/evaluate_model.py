"""Scores a model by the judge: `python -m scripts.evaluate_model` draws, names what it sees, prints a
table."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from scripts.training.grid import save_grid
from scripts.training.judge import trained_judge
from scripts.training.scores import TASKS, draw, interval, score


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pipeline/default_model", help="a folder in diffusers layout")
    parser.add_argument("--run", type=Path, default=Path("build/train"), help="where stage `judge` has run")
    parser.add_argument("--prompts", type=int, default=56, help="for each task")
    parser.add_argument("--seeds", type=int, default=2, help="pictures for each prompt")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=4.0)
    parser.add_argument("--grid", type=Path, help="a PNG of the first pictures of every task")
    arguments = parser.parse_args()
    judge, shown = trained_judge(arguments.run), []
    print("| task | pictures | right | 95 % interval |\n|---|---|---|---|")
    for task in TASKS:
        scenes, prompts = task.prompts(arguments.prompts)
        images = draw(arguments.model, prompts, arguments.seeds, arguments.steps, arguments.guidance)
        shown.append(images[:16])
        for name, right in score(judge, images, scenes * arguments.seeds).items():
            low, high = interval(right, np.random.default_rng(0))
            print(
                f"| {task.name}: {name} | {len(right)} | {right.mean():.3f} | {low:.3f} to {high:.3f} |",
                flush=True,
            )
    if arguments.grid:
        save_grid(torch.cat(shown), arguments.grid, 16, scale=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
