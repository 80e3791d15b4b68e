"""Measures the cost of recording attention, and checks that it changes no bit of the picture."""

from collections.abc import Iterator
from functools import partial

import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from scripts.gpu.tools.card import Card, take_turns
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import pipeline

LEVELS = (False, "grid", "site", "head")
STEPS, TINY_STEPS = 15, 2
ROUNDS = 4
MOST = 1.03  # share of the time without recording that recording at `grid` may add


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    dtype = card.dtypes[0]
    pipe = pipeline(card.device, dtype, tiny=tiny)
    for order in (None, "cross=triton"):
        for pictures in (1, 4):
            yield from of_order(card, pipe, order, pictures, TINY_STEPS if tiny else STEPS)


def of_order(
    card: Card, pipe: TextToImagePipeline, order: str | None, pictures: int, steps: int
) -> Iterator[Finding]:
    """Times the levels in turns, with one order of backends."""
    case = f"SD1.5 512, {pictures}, {order or 'backends chosen'}"
    try:
        engine = TextToImagePipeline(pipe.model, attention=order, max_rows=2 * pictures)
        engine.engine.plan(GenerationRequest(prompt="a"))
    except ValueError as refusal:
        yield Finding(case, "refused", {}, str(refusal).partition("\n")[0])
        return
    asked = {
        str(level): [
            GenerationRequest(prompt=f"a red apple, {seed}", seed=seed, num_steps=steps, record=level)
            for seed in range(pictures)
        ]
        for level in LEVELS
    }
    pixels = {level: [each.image.tobytes() for each in engine(requests)] for level, requests in asked.items()}
    ways = {level: partial(_draw, engine, requests) for level, requests in asked.items()}
    taken = take_turns(card, ways, rounds=ROUNDS)
    for level, timed in taken.items():
        is_same = pixels[level] == pixels["False"]
        numbers = {
            "ms of a step": 1000 * timed.median / steps,
            "of unrecorded": timed.over(taken["False"]),
            "spread": timed.spread,
            "MiB": card.peak(ways[level]) / 2**20,
            "same bits": "yes" if is_same else "no",
        }
        is_dear = level == "grid" and card.is_gpu and numbers["of unrecorded"] > MOST
        words = f"more than {MOST} of the time without" if is_dear else ""
        name = "unrecorded" if level == "False" else level
        yield Finding(f"{case}, {name}", "right" if is_same and not is_dear else "wrong", numbers, words)


@torch.inference_mode()
def _draw(pipe: TextToImagePipeline, requests: list[GenerationRequest]) -> None:
    """Draws without the VAE, which recording does not involve."""
    session = pipe.engine.session(later=True)
    for request in requests:
        session.add(request)
    while session.is_busy:
        session.step()
