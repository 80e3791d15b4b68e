"""Measures how long steps take on this machine, before the first visitor comes."""

import time
from collections.abc import Iterator

from limelight.app.ui.studio.step_times import StepTimes
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.engine import Engine

STEPS = 3  # the first of a size is slower: it packs weights and fills caches
SLOW = 1.0  # seconds of a step; above it nothing larger is measured


def measure(engine: Engine, model: str, times: StepTimes) -> None:
    """Draws a few steps at the model's own size, alone and together, and at twice its sides.

    Afterwards the U-Net times no further alternatives: shapes that it has not met are computed in the usual
    way.
    """
    for side, together in _cases(engine):
        height, width = (each * side for each in engine.model.native_size)
        session = engine.session()
        for seed in range(together):
            session.add(GenerationRequest(prompt="", seed=seed, num_steps=STEPS, width=width, height=height))
        for _ in range(STEPS - 1):  # the last step also decodes
            rows = min(engine.max_rows, engine.max_rows - session.free_rows)
            began = time.perf_counter()
            session.step()
            times.note(model, width * height, rows, time.perf_counter() - began)
        if (times.seconds(model, width * height) or 0) * 2 > SLOW:
            break
    engine.model.unet.settle()


def _cases(engine: Engine) -> Iterator[tuple[int, int]]:
    """Factors of the model's own sides, each with a number of pictures at once."""
    yield 1, 1
    for together in (2, 4):
        if 2 * together <= engine.max_rows:
            yield 1, together
    yield 2, 1
