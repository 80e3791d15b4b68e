"""Times new processes, from start to end: `python -m scripts.benchmark cold`.

Each is started again in each round; they take turns: Limelight's help; a picture of the default model, as
PNG; the same by the fewest lines that diffusers takes. Files that were read before are in the system's cache.
How convolutions are best computed is known, as it is after a size's first picture; where that is measured, a
row is of the first picture itself. Seconds are medians over the rounds.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from limelight.pipeline.models.locate import locate_model
from scripts.benchmarks.tools import process
from scripts.benchmarks.tools.process import Ended
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import seconds

TITLE = "Cold start"
DEVICES = ("cpu",)
QUICK = {"rounds": 1, "first": False}
PROMPT = "a red apple on a blue background"
DIFFUSERS = """
import sys
import torch
from diffusers import StableDiffusionPipeline

folder, prompt, steps, output = sys.argv[1:]
pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None)
generator = torch.Generator("cpu").manual_seed(7)
pipe(prompt, generator=generator, num_inference_steps=int(steps)).images[0].save(output)
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--steps", type=int, default=25)
    first = "the first picture ever of a size too"
    parser.add_argument("--first", action=argparse.BooleanOptionalAction, default=True, help=first)


def measure(options: argparse.Namespace) -> Iterator[Section]:
    threads = {"OMP_NUM_THREADS": str(options.threads)}
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch) / "picture.png"
        limelight = ("-m", "limelight")
        folder, steps = str(locate_model(options.model)), str(options.steps)
        generate = (*limelight, "generate", PROMPT, "--model", options.model, "--device", "cpu")
        generate += ("--seed", "7", "--steps", steps, "-o", str(picture))
        ways: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
            "limelight --help": ((*limelight, "--help"), {}),
            "import torch": (("-c", "import torch"), {}),
            "diffusers, a picture": (("-c", DIFFUSERS, folder, PROMPT, steps, str(picture)), {}),
            "limelight generate": (generate, {}),
        }
        if options.first:
            ways["limelight generate, the first ever"] = generate, {"XDG_CACHE_HOME": scratch}
        ended: dict[str, list[Ended]] = {name: [] for name in ways}
        for turn in range(options.rounds + 1 - options.quick):
            for name, (arguments, environment) in ways.items():
                (Path(scratch) / "limelight" / "timings.json").unlink(missing_ok=True)
                found = process.run(arguments, environment=threads | environment)
                if turn > 0 or options.quick:  # the first round fills the system's cache
                    ended[name].append(found)
    rows = [
        [name, seconds([each.clock for each in runs]), seconds([each.processor for each in runs])]
        for name, runs in ended.items()
    ]
    yield Section(columns=("process", "seconds by the clock", "of the processor"), rows=rows)
