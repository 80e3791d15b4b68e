"""The cost of previews and maps while a picture is drawn: `python -m scripts.benchmark live`.

A picture is drawn with recording on; after every step the preview is drawn and the map of a word read, as a
page that shows both would do. Shares are of the median step, of processor time.
"""

import argparse
import statistics
from collections.abc import Iterator
from functools import partial

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.results.result import Step
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Taken, processor, timed

TITLE = "Watching while it is drawn"
DEVICES = ("cpu",)
QUICK = {"steps": 10}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--prompt", default="a red apple on a blue background")
    parser.add_argument("--word", default="apple")
    parser.add_argument("--steps", type=int, default=50)


def measure(options: argparse.Namespace) -> Iterator[Section]:
    pipe = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    session = pipe.engine.session()
    session.add(GenerationRequest(prompt=options.prompt, seed=0, num_steps=options.steps, record="grid"))
    taken: dict[str, list[Taken]] = {"step": [], "preview": [], "map of a word": []}
    while session.is_busy:
        steps, spent = timed(session.step)
        taken["step"].append(spent)
        taken["preview"].append(timed(partial(shown, steps[0]))[1])
        taken["map of a word"].append(timed(partial(steps[0].maps.word, options.word))[1])
    medians = {  # the first warms up, the last decodes
        name: statistics.median(processor(spent[1:-1])) for name, spent in taken.items()
    }
    rows = [
        [name, f"{median * 1e3:.2f}", f"{median / medians['step']:.1%}"] for name, median in medians.items()
    ]
    yield Section(columns=("what", "milliseconds", "share of a step"), rows=rows)


def shown(step: Step) -> None:
    if step.preview is not None:
        step.preview()
