"""Measures whether things are drawn where they are painted: `python -m scripts.evaluate_steering`.

Each request names two things and gives each a random quarter of the picture. A thing is found by its own map
where the finished picture, noised and predicted without steering, has its word's maximum in the quarter. The
judge finds it where it sees that thing with its middle in the quarter.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention import AttentionRuntime
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.latents.vae import encode, pixels_of
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.requests.places import Box
from limelight.pipeline.requests.steering import Painted, Region
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.coverage import coverage
from limelight.pipeline.text.encoder import words_of
from scripts.training.scoring.judge import Judge, trained_judge
from scripts.training.scoring.scores import interval
from scripts.training.tools.grid import save_grid
from scripts.world.composer import PIXELS
from scripts.world.vocabulary import NOUNS

QUARTERS: tuple[Box, ...] = ((0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1))
NOISED_TO = (200, 350, 500)  # timesteps


@dataclass(frozen=True)
class Wish:
    """Two things, by their numbers among `NOUNS`, and the quarter of each."""

    nouns: tuple[int, int]
    boxes: tuple[Box, Box]
    seed: int

    @property
    def words(self) -> list[str]:
        return [NOUNS[noun].word for noun in self.nouns]

    @property
    def prompt(self) -> str:
        return " and ".join(map(with_article, self.words))


def with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def wishes(count: int, seed: int) -> list[Wish]:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        one, other = (int(noun) for noun in rng.choice(len(NOUNS), 2, replace=False))
        first, second = (QUARTERS[i] for i in rng.choice(len(QUARTERS), 2, replace=False))
        found.append(Wish((one, other), (first, second), seed + i))
    return found


def unpainted(wish: Wish, **options: float) -> dict[str, Any]:
    return {}


def loose(wish: Wish, **options: Any) -> dict[str, Any]:
    """Words painted by the loose hand, a bias."""
    pairs = zip(wish.words, wish.boxes, strict=True)
    return {"paint": tuple(Painted(word, box=box, **options) for word, box in pairs)}


def led(hand: str) -> Callable[..., dict[str, Any]]:
    """Words painted by the firm hand, a gradient, or by both."""

    def way(wish: Wish, **options: Any) -> dict[str, Any]:
        return loose(wish, hand=hand, **options)

    return way


def regions(wish: Wish, **options: float) -> dict[str, Any]:
    """A prompt of its own for each quarter."""
    pairs = zip(wish.words, wish.boxes, strict=True)
    return {"regions": tuple(Region(with_article(word), box=box) for word, box in pairs)}


WAYS: dict[str, Callable[..., dict[str, Any]]] = {
    "unpainted": unpainted,
    "loose": loose,
    "firm": led("firm"),
    "loose and firm": led("both"),
    "regions": regions,
    "loose and regions": lambda wish, **options: loose(wish, **options) | regions(wish),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--seed", type=int, default=40_000)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--strength", type=float, nargs="+", default=[20.0], help="of loose paint")
    parser.add_argument("--until", type=float, nargs="+", default=[0.5], help="of loose paint")
    parser.add_argument("--grids", type=Path, help="a folder for a PNG of each way's pictures")
    arguments = parser.parse_args()
    pipe, judge = TextToImagePipeline.from_pretrained(arguments.model), trained_judge()
    asked = wishes(arguments.requests, arguments.seed)
    fields = {"num_steps": arguments.steps, "guidance_scale": arguments.guidance}
    print("| way | strength | until | own map in its box | 95 % | judge sees it there | and at all | both |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for way in arguments.ways:
        takes_options = "loose" in way
        for strength in arguments.strength if takes_options else [None]:
            for until in arguments.until if takes_options else [None]:
                options = {"strength": strength, "until": until} if takes_options else {}
                results = draw(pipe, asked, WAYS[way], options, fields)
                shown = [way, *("" if value is None else f"{value:g}" for value in (strength, until))]
                print(f"| {' | '.join([*shown, *measured(pipe, judge, asked, results)])} |", flush=True)
                if arguments.grids:
                    name = "-".join(each.replace(" ", "-") for each in shown if each)
                    images = torch.cat([pixels_of(each.image, *each.image.size) for each in results])
                    save_grid(images / 2 + 0.5, arguments.grids / f"{name}.png", 10)
    return 0


def draw(
    pipe: TextToImagePipeline,
    asked: list[Wish],
    way: Callable[..., dict[str, Any]],
    options: dict[str, Any],
    fields: dict[str, Any],
) -> list[Result]:
    return pipe(
        [
            GenerationRequest(prompt=wish.prompt, seed=wish.seed, **fields, **way(wish, **options))
            for wish in asked
        ]
    )


def measured(pipe: TextToImagePipeline, judge: Judge, asked: list[Wish], results: list[Result]) -> list[str]:
    """The cells of a line: shares of things in their boxes by their own maps and by the judge, and shares of
    things and of requests that the judge finds anywhere."""
    own, seen, there = (np.zeros((len(asked), 2)) for _ in range(3))
    for row, (wish, result) in enumerate(zip(asked, results, strict=True)):
        own[row] = in_boxes(own_maps(pipe, wish, result), wish.boxes)
        found, _ = judge.look(pixels_of(result.image, PIXELS, PIXELS))
        for column, (noun, box) in enumerate(zip(wish.nouns, wish.boxes, strict=True)):
            mine = [(thing.x / PIXELS, thing.y / PIXELS) for thing in found[0] if thing.noun == noun]
            there[row, column] = bool(mine)
            seen[row, column] = any(box[0] <= x < box[2] and box[1] <= y < box[3] for x, y in mine)
    low, high = interval(own, np.random.default_rng(0))
    shares = [seen.mean(), there.mean(), there.all(1).mean()]
    return [f"{own.mean():.2f}", f"{low:.2f} to {high:.2f}", *(f"{share:.2f}" for share in shares)]


@torch.inference_mode()
def own_maps(pipe: TextToImagePipeline, wish: Wish, result: Result) -> Float[Tensor, "2 h w"]:
    """Each word's map of the finished picture, on the finest grid: the mean over `NOISED_TO`."""
    model = pipe.model
    prompt = model.text.prompt(wish.prompt)
    latent = encode(model.vae, pixels_of(result.image, *result.image.size), None)
    latent = latent * model.vae.config.scaling_factor
    steps = torch.tensor(NOISED_TO)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(wish.seed))
    noisy = model.schedulers.make("model").add_noise(latent.expand(len(steps), -1, -1, -1), noise, steps)
    recording = Recording("grid", len(prompt.context))
    for x, step in zip(noisy, steps, strict=True):
        recorder = RowRecorder([recording])
        planned = pipe.engine.attention(*result.image.size)
        attention = AttentionRuntime(planned.plan, recorder)
        model.unet(x[None], step[None], prompt.context[None], attention=attention)
        recorder.commit()
    finest = recording.grid(max(recording.totals))
    words = words_of(wish.prompt, prompt.tokens)
    return torch.stack([finest[tokens_of(words, word, None)].sum(0) for word in wish.words])


def in_boxes(maps: Float[Tensor, "2 h w"], boxes: tuple[Box, Box]) -> list[bool]:
    """Whether each map has its maximum in its box."""
    found = []
    for each, box in zip(maps, boxes, strict=True):
        covered = coverage(Region("a thing", box=box), (each.shape[0], each.shape[1]))
        found.append(bool(covered.flatten()[each.argmax()] > 0.5))
    return found


if __name__ == "__main__":
    sys.exit(main())
