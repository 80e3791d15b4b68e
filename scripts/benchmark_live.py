"""What it costs to watch: `python -m scripts.benchmark_live`.

A picture is drawn with recording on; after every step the preview is drawn and the map of a word read, as a
page that shows both would do. Shares are of the median step, of processor time.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from pipeline import GenerationRequest, TextToImagePipeline
from pipeline.result import Step

Result = TypeVar("Result")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--prompt", default="a red apple on a blue background")
    parser.add_argument("--word", default="apple")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pipe = TextToImagePipeline.from_pretrained(arguments.model, device="cpu")
    session = pipe.engine.session()
    session.add(GenerationRequest(prompt=arguments.prompt, seed=0, num_steps=arguments.steps, record="grid"))
    times: dict[str, list[float]] = {"step": [], "preview": [], "map of a word": []}
    while session.is_busy:
        steps = timed(times["step"], session.step)
        timed(times["preview"], lambda steps=steps: shown(steps[0]))
        timed(times["map of a word"], lambda steps=steps: steps[0].maps.word(arguments.word))
    whole = statistics.median(times["step"][1:-1])  # the first warms up, the last decodes
    print("| what | milliseconds | share of a step |\n|---|--:|--:|")
    for name, seconds in times.items():
        median = statistics.median(seconds[1:-1])
        print(f"| {name} | {median * 1e3:.2f} | {median / whole:.1%} |")
    return 0


def timed(seconds: list[float], work: Callable[[], Result]) -> Result:
    start = time.process_time()
    result = work()
    seconds.append(time.process_time() - start)
    return result


def shown(step: Step) -> None:
    if step.preview is not None:
        step.preview()


if __name__ == "__main__":
    sys.exit(main())
