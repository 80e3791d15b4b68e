"""Times the engine: requests drawn together against one at a time, when all are queued at the beginning and
when they arrive over time.

Requests of 8 to 20 steps with prompts of one and two chunks arrive at random (Poisson); a load is the number
that arrive in the time of one picture drawn alone. Time is by the clock.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.results.result import Result
from scripts.benchmarks.engine import Served, Trace, in_session, one_at_a_time
from scripts.benchmarks.tools.images import largest_difference
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import default_pipeline, pipeline

PROMPTS = ("a red apple on a blue background", "a green frog", "two stars BREAK at night", "a cat and a dog")
REQUESTS, TINY_REQUESTS = 12, 3
LOADS, TINY_LOADS = (4.0, 2.0, 1.0, 0.5), (2.0,)
MAX_ROWS = 16
LEAST = 1.5  # load as a multiple of the capacity of drawing one at a time
FAR = 2  # of 255: how far a picture may be from the one drawn alone


@dataclass(slots=True)
class WallClock:
    """Seconds since the clock was made; it sleeps until the next request arrives."""

    started: float = field(default_factory=time.perf_counter)

    @property
    def now(self) -> float:
        return time.perf_counter() - self.started

    def wait_until(self, moment: float) -> None:
        time.sleep(max(0.0, moment - self.now))


Serve = Callable[..., Served]
WAYS: dict[str, Serve] = {"one at a time": one_at_a_time, "together": in_session}


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    for kind, pipe in pipelines(card, tiny=tiny).items():
        asked = requests(TINY_REQUESTS if tiny else REQUESTS, (1, 3) if tiny else (8, 20))
        pipe(asked)  # warm-up with calls of all sizes
        begun = time.perf_counter()
        alone = [pipe(request) for request in asked]
        mean = (time.perf_counter() - begun) / len(asked)
        yield from at_capacity(card, kind, pipe, asked, alone)
        for load in TINY_LOADS if tiny else LOADS:
            needs = 2 * len(asked) * mean * max(1.0, 1 / load)
            if time.time() + needs > until:
                yield Finding(
                    f"{kind}, load {load:g}", "failed", {}, f"no time was left: takes {needs:.0f} s"
                )
                continue
            yield from at_load(kind, pipe, asked, mean, load)


def pipelines(card: Card, *, tiny: bool) -> dict[str, TextToImagePipeline]:
    """A model of SD1.5's size, whose calls keep a GPU busy, and the default model, whose calls do not."""
    dtype = card.dtypes[0]
    return {
        "SD1.5 512": pipeline(card.device, dtype, tiny=tiny, max_rows=MAX_ROWS),
        "default model": default_pipeline(card.device, dtype, tiny=tiny, max_rows=MAX_ROWS),
    }


def requests(count: int, steps: tuple[int, int]) -> list[GenerationRequest]:
    """The requests of the benchmark; always the same."""
    random = np.random.default_rng(1)
    return [
        GenerationRequest(
            prompt=PROMPTS[seed % len(PROMPTS)],
            seed=seed,
            num_steps=int(random.integers(steps[0], steps[1] + 1)),
        )
        for seed in range(count)
    ]


def at_capacity(
    card: Card, kind: str, pipe: TextToImagePipeline, asked: list[GenerationRequest], alone: list[Result]
) -> Iterator[Finding]:
    """Times requests that are all queued at the beginning."""
    trace: Trace = [(0.0, request) for request in asked]
    spent = {}
    for name, serve in WAYS.items():
        clock = WallClock()
        served = serve(pipe.engine, trace, clock)
        spent[name] = clock.now
        far = max(largest_difference(served[i][1].image, picture.image) for i, picture in enumerate(alone))
        numbers = {
            "pictures/s": len(asked) / clock.now,
            "of one at a time": spent["one at a time"] / clock.now,
        }
        numbers |= {"apart, of 255": far}
        is_slow = card.is_gpu and name == "together" and numbers["of one at a time"] < LEAST
        words = f"less than {LEAST} times one at a time" if is_slow else ""
        verdict = "right" if far <= FAR and not is_slow else "wrong"
        yield Finding(f"{kind}, all at once, {name}", verdict, numbers, words)


def at_load(
    kind: str, pipe: TextToImagePipeline, asked: list[GenerationRequest], mean: float, load: float
) -> Iterator[Finding]:
    """Times requests that arrive at random."""
    gaps = np.random.default_rng(0).exponential(mean / load, len(asked))
    trace: Trace = list(zip(np.cumsum(gaps).tolist(), asked, strict=True))
    for name, serve in WAYS.items():
        clock = WallClock()
        served = serve(pipe.engine, trace, clock)
        latencies = [served[i][0] - moment for i, (moment, _) in enumerate(trace)]
        numbers = {
            "pictures/s": len(asked) / (clock.now - trace[0][0]),
            "latency, median": float(np.quantile(latencies, 0.5)),
            "latency, 95 %": float(np.quantile(latencies, 0.95)),
        }
        yield Finding(f"{kind}, load {load:g}, {name}", "measured", numbers)
