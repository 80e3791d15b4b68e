"""Measures whether picked starts are better: `python -m scripts.steering.evaluate_pick` draws with and
without `pick`, and scores the pictures with the judge."""

import argparse
import sys
import time

import numpy as np
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.latents.vae import pixels_of
from scripts.training.scoring.judge import trained_judge
from scripts.training.scoring.scores import TASKS, interval, plain, right
from scripts.world.composer import PIXELS

CHOSEN = ("two objects", "attribute binding", "counting")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--prompts", type=int, default=40, help="for each task")
    parser.add_argument(
        "--skip",
        type=int,
        default=40,
        help="first prompts of each task to leave out; the rule was tuned on them",
    )
    parser.add_argument("--pick", type=int, default=8)
    parser.add_argument(
        "--seeds", type=int, default=2, help="pictures of each prompt, with starts of their own"
    )
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=3.0)
    arguments = parser.parse_args()
    pipe, judge = TextToImagePipeline.from_pretrained(arguments.model), trained_judge()
    fields = {"num_steps": arguments.steps, "guidance_scale": arguments.guidance}
    print(
        f"| task | the seed | 95 % | picked of {arguments.pick} | 95 % | time |\n|---|---|---|---|---|---|",
        flush=True,
    )
    every: dict[int, list[float]] = {1: [], arguments.pick: []}
    for task in (task for task in TASKS if task.name in CHOSEN):
        scenes = task.scenes(arguments.skip + arguments.prompts)[arguments.skip :]
        cells, seconds = [], []
        for count in (1, arguments.pick):
            requests = [
                GenerationRequest(prompt=plain(scene), seed=seed * arguments.pick, pick=count, **fields)
                for scene in scenes
                for seed in range(arguments.seeds)
            ]
            started = time.process_time()
            images = torch.cat([pixels_of(result.image, PIXELS, PIXELS) for result in pipe(requests)])
            seconds.append(time.process_time() - started)
            marks = right(judge, images, [scene for scene in scenes for _ in range(arguments.seeds)], task)
            answers = marks["right"].reshape(len(scenes), arguments.seeds)
            low, high = interval(answers, np.random.default_rng(0))
            cells += [f"{answers.mean():.3f}", f"{low:.2f} to {high:.2f}"]
            every[count].append(float(answers.mean()))
        print(f"| {task.name} | {' | '.join(cells)} | x {seconds[1] / seconds[0]:.2f} |", flush=True)
    means = [f"{np.mean(values):.3f}" for values in every.values()]
    print(f"| mean | {means[0]} | | {means[1]} | | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
