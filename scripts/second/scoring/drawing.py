"""What evaluations share: their options, the model that draws, and pictures drawn in batches."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline import GenerationRequest, Result, TextToImagePipeline
from limelight.pipeline.latents.vae import pixels_of
from limelight.pipeline.models.model import Model
from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import NOUNS

ROWS = 16  # requests that are drawn at once
REPORT = 20.0  # seconds between two lines of progress


def add_options(parser: argparse.ArgumentParser, *, steps: int | None = None) -> None:
    """The options of every command that draws pictures and has them judged; `steps` is the default number,
    None the request's own."""
    parser.add_argument("--model", default="default", help="a folder in diffusers layout, or `default`")
    parser.add_argument("--run", type=Path, help="where stage `judge` has run; the kept judge if omitted")
    parser.add_argument("--steps", type=int, default=steps, help="of a picture; the default if omitted")
    parser.add_argument("--guidance", type=float, help="the model's own if omitted")
    parser.add_argument("--scheduler", help="a name of `limelight generate --scheduler`")


def fields_of(options: argparse.Namespace) -> dict[str, Any]:
    """The fields of every request, as the options say."""
    named = {
        "num_steps": options.steps,
        "guidance_scale": options.guidance,
        "scheduler": options.scheduler,
    }
    return {name: value for name, value in named.items() if value is not None}


def load(name: str) -> TextToImagePipeline:
    """The model; on a CPU many rows in one call of the U-Net are not faster than some."""
    rows = 2 * ROWS if torch.cuda.is_available() else 8
    return TextToImagePipeline.from_pretrained(name, max_rows=rows)


def num_nouns(model: Model) -> int:
    """How many nouns of the world, from the first, the model's vocabulary has.

    Raises:
        ValueError: the model lists no words, or not the first noun.
    """
    known = () if model.vocabulary is None else model.vocabulary.groups.get("nouns", ())
    count = next((i for i, noun in enumerate(NOUNS) if noun.word not in known), len(NOUNS))
    if count == 0:
        raise ValueError(f"{model.name} has no vocabulary.json with nouns of this world, such as an apple")
    return count


def results(pipe: TextToImagePipeline, requests: Sequence[GenerationRequest], name: str) -> Iterator[Result]:
    """Draws requests in batches; says on standard error how far it is, and how long the rest takes."""
    began = said = time.perf_counter()
    for start in range(0, len(requests), ROWS):
        yield from pipe(list(requests[start : start + ROWS]))
        done, now = min(start + ROWS, len(requests)), time.perf_counter()
        each = (now - began) / done
        if now - said > REPORT or done == len(requests):
            said, left = now, each * (len(requests) - done)
            text = f"{name}: {done} of {len(requests)} pictures, {each:.2f} s each"
            print(f"{text}, {left:.0f} s left" if left else text, file=sys.stderr, flush=True)


def pictures(
    pipe: TextToImagePipeline, requests: Sequence[GenerationRequest], name: str
) -> Float[Tensor, "b 3 h w"]:
    """The requests' pictures as the judge sees them: of range -1..1, enlarged if they are smaller."""
    return torch.cat([seen(result) for result in results(pipe, requests, name)])


def seen(result: Result) -> Float[Tensor, "1 3 h w"]:
    return pixels_of(result.image.convert("RGB"), PIXELS, PIXELS)


def draw(
    pipe: TextToImagePipeline, prompts: Sequence[str], seeds: int, fields: dict[str, Any], name: str
) -> Float[Tensor, "b 3 h w"]:
    """Pictures of range -1..1, `seeds` of each prompt in a row."""
    requests = [
        GenerationRequest(prompt=prompt, seed=seed, **fields) for prompt in prompts for seed in range(seeds)
    ]
    return pictures(pipe, requests, name)
