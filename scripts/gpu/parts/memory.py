"""Checks memory: peaks, the number of rows that the probe finds, parts that take turns on the GPU, and
recovery from a lack of memory."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.batch.capacity import find_max_rows
from limelight.pipeline.models.device import take_turns as offload
from limelight.pipeline.results.result import Result, Step
from scripts.benchmarks.tools.images import largest_difference
from scripts.gpu.parts.backends import first_line
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import pipeline

STEPS = 3
PICTURES, TINY_PICTURES = (1, 2, 8, 16), (1, 2)
SHARE_LEFT = 0.5  # the allocator gets this share of the memory that all pictures take beyond one
FAR = 2  # of 255


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    pipe = pipeline(card.device, card.dtypes[0], tiny=tiny)
    sizes = TINY_PICTURES if tiny else PICTURES
    peaks = {}
    for pictures in sizes:
        pipe.engine.max_rows = 2 * pictures
        work = partial(pipe, asked(pictures))
        work()
        peaks[pictures] = card.peak(work)
        numbers = {"GiB beyond the model": peaks[pictures] / 2**30}
        yield Finding(f"SD1.5 512, {pictures} pictures", "measured", numbers)
    yield halved(card, pipe, sizes[-1], peaks)
    yield probed(card, pipe)
    yield from in_turns(card, pipe)


def asked(pictures: int) -> list[GenerationRequest]:
    return GenerationRequest(prompt="a red apple on a blue background", seed=3, num_steps=STEPS).repeated(
        pictures
    )


def probed(card: Card, pipe: TextToImagePipeline) -> Finding:
    """Checks the number of rows that the probe finds, and that a call with so many rows fits."""
    case = "rows that the probe finds"
    request = asked(1)[0]
    try:
        pipe.engine.max_rows = rows = find_max_rows(pipe.engine, pipe.engine.resolve(request))
        _, rows_after = drawn(pipe, request.repeated(rows // 2))
        seconds = card.wall(partial(pipe, request.repeated(rows // 2)))
    except Exception as failure:
        return Finding(case, "wrong", {}, first_line(failure))
    numbers = {"rows": rows, "rows after": rows_after, "pictures/s": rows / 2 / seconds}
    return Finding(case, "right" if rows_after == rows else "wrong", numbers)


def drawn(pipe: TextToImagePipeline, requests: list[GenerationRequest]) -> tuple[list[Result], int]:
    """The pictures, and the number of rows of a call that their session ends with."""
    session = pipe.engine.session()
    for request in requests:
        session.add(request)
    steps: list[Step] = []
    while session.is_busy:
        steps += session.step()
    last = sorted((step for step in steps if step.is_last), key=lambda step: step.id)
    if failures := [step.error for step in last if step.error is not None]:
        raise failures[0]
    return [step.result for step in last if step.result is not None], session.max_rows


def halved(card: Card, pipe: TextToImagePipeline, pictures: int, peaks: dict[int, int]) -> Finding:
    """Draws the same pictures with too little memory for all of them at once."""
    case = f"{pictures} pictures in too little memory"
    requests = asked(pictures)
    pipe.engine.max_rows = 2 * pictures
    expected = pipe(requests)
    room = peaks[1] + int(SHARE_LEFT * (peaks[pictures] - peaks[1]))
    limit: AbstractContextManager[Any] = card.only(room) if card.is_gpu else refusing(pipe, pictures)
    try:
        with limit:
            found, rows_after = drawn(pipe, requests)
    except Exception as failure:
        return Finding(case, "wrong", {}, first_line(failure))
    far = furthest(found, expected)
    numbers = {"rows": 2 * pictures, "rows after": rows_after, "apart, of 255": far}
    is_right = rows_after < 2 * pictures and far <= FAR
    return Finding(case, "right" if is_right else "wrong", numbers)


@contextmanager
def refusing(pipe: TextToImagePipeline, most: int) -> Iterator[None]:
    """Replaces the allocator in a dry run: the U-Net runs out of memory with more than `most` rows."""
    unet = pipe.model.unet
    forward = unet.forward

    def limited(x: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        if len(x) > most:
            raise torch.OutOfMemoryError("out of memory, in a dry run")
        return forward(x, *arguments, **options)

    unet.forward = limited  # type: ignore[method-assign]
    try:
        yield
    finally:
        del unet.forward


def in_turns(card: Card, pipe: TextToImagePipeline) -> Iterator[Finding]:
    """Draws with the model in main memory and each part on the GPU only while it runs: from noise, and from
    an image that the VAE encodes first."""
    requests = asked(2)
    picture = pipe(requests[0]).image
    requests += [GenerationRequest(prompt="a frog", seed=5, num_steps=STEPS, image=picture, strength=0.7)]
    pipe.engine.max_rows = 4
    expected, plain = pipe(requests), card.wall(partial(pipe, requests[:2]))
    model = pipe.model
    for part in (model.unet, model.vae, *(encoder.model for encoder in model.text.encoders)):
        part.to("cpu")
    card.forget()
    offload(model, card.device)
    for number, title in enumerate(("two pictures", "a picture from an image")):
        some = slice(0, 2) if number == 0 else slice(2, 3)
        try:
            found: list[Result] = []
            peak = card.peak(lambda some=some, found=found: found.extend(pipe(requests[some])))
        except Exception as failure:
            yield Finding(f"parts in turns, {title}", "wrong", {}, first_line(failure))
            continue
        far = furthest(found, expected[some])
        numbers = {"GiB": peak / 2**30, "apart, of 255": far}
        yield Finding(f"parts in turns, {title}", "right" if far <= FAR else "wrong", numbers)
    seconds = card.wall(partial(pipe, requests[:2]))
    yield Finding("parts in turns, time", "measured", {"s": seconds, "s with all there": plain})


def furthest(found: list[Result], expected: list[Result]) -> int:
    """The largest difference of any pixel, of 255."""
    pairs = zip(found, expected, strict=True)
    return max(largest_difference(a.image, b.image) for a, b in pairs)
