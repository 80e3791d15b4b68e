"""The cost of an edit of the words with its base: `python -m scripts.benchmark edits`.

Two pictures are drawn in the same calls, of the base's prompt and of the edit's; then the edit, which draws
both too. Kinds of edits take turns with them. The table has the ratio to the two pictures in the same round,
of processor time, with prompts and decoding. An edit of an image has the steps back to noise in front, one
row each, and a base without guidance, of one row a step and not two.
"""

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Ratio, processor, seconds, take_turns

TITLE = "Edits of the words"
DEVICES = ("cpu",)
QUICK = {"rounds": 1, "steps": 10}
BASE = "a cat and a banana on a blue background"
PAIR = "two pictures"
EDITS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a replaced word": ("a dog and a banana on a blue background", {}),
    "an added word": ("a cat and a red banana on a blue background", {}),
    "another weight": (BASE, {"scale_words": {"banana": 2.0}}),
    "the same, nothing kept": ("a dog and a banana on a blue background", {"keep": (0, 0)}),
    "with blend": ("a dog and a banana on a blue background", {"blend_words": ("dog",)}),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument(
        "--size", type=int, help="of the picture's sides, in pixels; the model's own if omitted"
    )


def measure(options: argparse.Namespace) -> Iterator[Section]:
    pipe = TextToImagePipeline.from_pretrained(options.model, device="cpu")
    common = {"seed": 5, "num_steps": options.steps, "width": options.size, "height": options.size}
    ask = partial(GenerationRequest, **common)
    image = pipe(ask(prompt=BASE)).image
    other = EDITS["a replaced word"][0]
    asked = {PAIR: [ask(prompt=BASE), ask(prompt=other)]}
    asked["two pictures with maps"] = [ask(prompt=each, record="grid") for each in (BASE, other)]
    asked |= {name: [ask(prompt=p, edit_of=BASE, **f)] for name, (p, f) in EDITS.items()}
    asked["of an image"] = [ask(prompt=other, edit_of=BASE, image=image)]
    ways = {name: partial(pipe, requests) for name, requests in asked.items()}
    take_turns(ways, 1)  # warms up
    times = {name: processor(taken) for name, taken in take_turns(ways, options.rounds).items()}
    rows = [[name, seconds(each), str(Ratio.of(each, times[PAIR]))] for name, each in times.items()]
    yield Section(
        text=f"{options.steps} steps, {image.width} x {image.height} pixels, {options.rounds} rounds.",
        columns=("what", "seconds", f"times {PAIR}, median and ends"),
        rows=rows,
    )
