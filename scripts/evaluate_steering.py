"""Measures whether things are drawn where they are painted: `python -m scripts.evaluate_steering`.

Each request names things and gives each a place: a random quarter of the picture, or a blob as a broad brush
paints it. A thing is found by its own map where the finished picture, noised and predicted without steering,
has its word's maximum in the place. The judge finds it where it sees that thing with its middle in the place.
"""

import argparse
import sys
from collections.abc import Callable
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
from limelight.pipeline.requests.steering import Painted, Region
from limelight.pipeline.results.result import Result
from limelight.pipeline.text.encoder import words_of
from scripts.second.scoring.drawing import add_options, fields_of, load, num_nouns, results, seen
from scripts.second.scoring.judge import Judge
from scripts.second.scoring.judge_stage import trained_judge
from scripts.second.scoring.statistics import interval
from scripts.second.world.layout import PIXELS
from scripts.steering.wishes import PLACES, Place, Wish, covers, place_fields, wishes, with_article
from scripts.training.tools.grid import save_grid

NOISED_TO = (200, 350, 500)  # timesteps
COLUMNS = (
    "way",
    "strength",
    "until",
    "own map in its place",
    "95 %",
    "judge sees it there",
    "95 %",
    "and at all",
    "all things",
)


def unpainted(wish: Wish, **options: float) -> dict[str, Any]:
    return {}


def loose(wish: Wish, **options: Any) -> dict[str, Any]:
    """Words painted by the loose hand, a bias."""
    pairs = zip(wish.words, wish.places, strict=True)
    return {"paint": tuple(Painted(word, **place_fields(place), **options) for word, place in pairs)}


def led(hand: str) -> Callable[..., dict[str, Any]]:
    """Words painted by the firm hand, a gradient, or by both."""

    def way(wish: Wish, **options: Any) -> dict[str, Any]:
        return loose(wish, hand=hand, **options)

    return way


def regions(wish: Wish, **options: float) -> dict[str, Any]:
    """A prompt of its own for each place."""
    pairs = zip(wish.words, wish.places, strict=True)
    return {"regions": tuple(Region(with_article(word), **place_fields(place)) for word, place in pairs)}  # type: ignore[arg-type]


WAYS: dict[str, Callable[..., dict[str, Any]]] = {
    "unpainted": unpainted,
    "loose": loose,
    "firm": led("firm"),
    "loose and firm": led("both"),
    "regions": regions,
    "loose and regions": lambda wish, **options: loose(wish, **options) | regions(wish),
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, steps=20)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--things", type=int, choices=(1, 2, 3), default=2, help="of each request")
    parser.add_argument("--places", choices=PLACES, default="quarters")
    parser.add_argument("--grounds", action="store_true", help="name a plain ground in every prompt")
    parser.add_argument("--seed", type=int, default=40_000)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--strength", type=float, nargs="+", default=[20.0], help="of loose paint")
    parser.add_argument("--until", type=float, nargs="+", default=[0.5], help="of loose paint")
    parser.add_argument("--grids", type=Path, help="a folder for a PNG of each way's pictures")
    options = parser.parse_args()
    pipe, judge = load(options.model), trained_judge(options.run)
    asked = wishes(
        options.requests,
        options.seed,
        num_nouns(pipe.model),
        things=options.things,
        places=options.places,
        grounds=options.grounds,
    )
    print(f"{options.requests} requests, {options.things} things each, in {options.places}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for way in options.ways:
        takes_options = "loose" in way
        for strength in options.strength if takes_options else [None]:
            for until in options.until if takes_options else [None]:
                paint = {"strength": strength, "until": until} if takes_options else {}
                fields = [fields_of(options) | WAYS[way](wish, **paint) for wish in asked]
                requests = [
                    GenerationRequest(prompt=wish.prompt, seed=wish.seed, **each)
                    for wish, each in zip(asked, fields, strict=True)
                ]
                drawn = list(results(pipe, requests, way))
                shown = [way, *("" if value is None else f"{value:g}" for value in (strength, until))]
                print(f"| {' | '.join([*shown, *measured(pipe, judge, asked, drawn)])} |", flush=True)
                if options.grids:
                    name = "-".join(each.replace(" ", "-") for each in shown if each)
                    images = torch.cat([seen(each) for each in drawn])
                    save_grid(images / 2 + 0.5, options.grids / f"{name}.png", 10, scale=1)
    return 0


def measured(pipe: TextToImagePipeline, judge: Judge, asked: list[Wish], drawn: list[Result]) -> list[str]:
    """The cells of a line: shares of things in their places by their own maps and by the judge, and shares of
    things and of requests that the judge finds anywhere."""
    own, placed, there = (np.zeros((len(asked), len(asked[0].nouns))) for _ in range(3))
    for row, (wish, result) in enumerate(zip(asked, drawn, strict=True)):
        own[row] = in_places(own_maps(pipe, wish, result), wish.places)
        (picture,) = judge.look(seen(result))
        for column, (noun, place) in enumerate(zip(wish.nouns, wish.places, strict=True)):
            mine = [(each.x / PIXELS, each.y / PIXELS) for each in picture.things if each.noun == noun]
            there[row, column] = bool(mine)
            placed[row, column] = any(covers(place, x, y) for x, y in mine)
    shares = []
    for each in (own, placed):
        low, high = interval(each, np.random.default_rng(0))
        shares += [f"{each.mean():.3f}", f"{low:.2f} to {high:.2f}"]
    return [*shares, f"{there.mean():.3f}", f"{there.all(1).mean():.3f}"]


@torch.inference_mode()
def own_maps(pipe: TextToImagePipeline, wish: Wish, result: Result) -> Float[Tensor, "t h w"]:
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


def in_places(maps: Float[Tensor, "t h w"], places: tuple[Place, ...]) -> list[bool]:
    """Whether each map has its maximum in its place."""
    found = []
    for each, place in zip(maps, places, strict=True):
        height, width = each.shape
        row, column = divmod(int(each.argmax()), width)
        found.append(covers(place, (column + 0.5) / width, (row + 0.5) / height))
    return found


if __name__ == "__main__":
    sys.exit(main())
