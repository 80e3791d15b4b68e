"""Measures whether picked starts are better: `python -m scripts.steering.evaluate_pick` draws with and
without `pick`, and scores the pictures with the judge."""

import argparse
import sys
import time

import numpy as np

from limelight.pipeline import GenerationRequest
from scripts.second.scoring.drawing import add_options, fields_of, load, num_nouns, pictures
from scripts.second.scoring.kept import load_judge
from scripts.second.scoring.statistics import interval
from scripts.second.scoring.tasks import TASKS, plain, right

CHOSEN = ("two objects", "attribute binding", "counting")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
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
    arguments = parser.parse_args()
    pipe, judge = load(arguments.model), load_judge(arguments.run)
    fields, nouns = fields_of(arguments), num_nouns(pipe.model)
    print(
        f"| task | the seed | 95 % | picked of {arguments.pick} | 95 % | time |\n|---|---|---|---|---|---|",
        flush=True,
    )
    every: dict[int, list[float]] = {1: [], arguments.pick: []}
    for task in (task for task in TASKS if task.name in CHOSEN):
        scenes = task.scenes(arguments.skip + arguments.prompts, nouns)[arguments.skip :]
        cells, seconds = [], []
        for count in (1, arguments.pick):
            requests = [
                GenerationRequest(prompt=plain(scene), seed=seed * arguments.pick, pick=count, **fields)
                for scene in scenes
                for seed in range(arguments.seeds)
            ]
            started = time.process_time()
            images = pictures(pipe, requests, f"{task.name}, picked of {count}")
            seconds.append(time.process_time() - started)
            marks = right(judge, images, [scene for scene in scenes for _ in range(arguments.seeds)], task)
            answers = marks.reshape(len(scenes), arguments.seeds)
            low, high = interval(answers, np.random.default_rng(0))
            cells += [f"{answers.mean():.3f}", f"{low:.2f} to {high:.2f}"]
            every[count].append(float(answers.mean()))
        print(f"| {task.name} | {' | '.join(cells)} | x {seconds[1] / seconds[0]:.2f} |", flush=True)
    means = [f"{np.mean(values):.3f}" for values in every.values()]
    print(f"| mean | {means[0]} | | {means[1]} | | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
