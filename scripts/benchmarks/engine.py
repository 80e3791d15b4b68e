"""Requests that arrive at random times: `python -m scripts.benchmark engine`.

A trace of arrivals (Poisson; 8 to 50 steps; prompts of one to three chunks) is served three ways: a request
at a time; as many as wait, together, until the last of them is done; and in a session, where requests join
and leave between steps. The clock is processor time, which other work on the machine hardly touches; it jumps
to the next arrival when there is nothing to do. Every picture is compared with the one that is drawn alone.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.engine import Engine
from scripts.benchmarks.tools.images import largest_difference
from scripts.benchmarks.tools.report import Section

TITLE = "Requests that arrive over time"
DEVICES = ("cpu",)
QUICK = {"requests": 8}
WORDS = ("a red apple on a blue background", "a green frog", "two stars", "a cat and a dog")


@dataclass(slots=True)
class Clock:
    """Seconds of work and of waiting."""

    waited: float = 0.0
    started: float = field(default_factory=time.process_time)

    @property
    def now(self) -> float:
        return time.process_time() - self.started + self.waited

    def wait_until(self, moment: float) -> None:
        self.waited += max(0.0, moment - self.now)


Trace = list[tuple[float, GenerationRequest]]  # seconds from the beginning
Served = dict[int, tuple[float, Result]]  # position in the trace -> when it was done, and what came


class Way(Protocol):
    def __call__(self, engine: Engine, trace: Trace, clock: Clock) -> Served: ...


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="default")
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--load", type=float, default=0.9, help="arrivals in the time of one picture")
    parser.add_argument("--max-rows", type=int, default=8)


def measure(options: argparse.Namespace) -> Iterator[Section]:
    pipe = TextToImagePipeline.from_pretrained(options.model, device="cpu", max_rows=options.max_rows)
    asked = requests(options.requests)
    clock = Clock()
    alone = [pipe(request) for request in asked]
    mean = clock.now / len(asked)
    gaps = np.random.default_rng(0).exponential(mean / options.load, len(asked))
    trace = list(zip(np.cumsum(gaps).tolist(), asked, strict=True))
    ways = {"one at a time": one_at_a_time, "whole requests together": whole_requests, "session": in_session}
    exact = Engine(pipe.model, max_rows=options.max_rows, exact=True)
    rows = [row(name, way, pipe.engine, trace, alone) for name, way in ways.items()]
    rows.append(row("session, exact", in_session, exact, trace, alone))
    yield Section(
        text=f"{len(asked)} requests, {mean:.2f} s each alone, one every {mean / options.load:.2f} s; "
        f"{options.max_rows} rows.",
        columns=("way", "pictures per second", "latency, median", "95 %", "largest difference from alone"),
        rows=rows,
    )


def requests(count: int) -> list[GenerationRequest]:
    """Requests with random prompts and steps, the same in every run."""
    rng = np.random.default_rng(1)
    return [
        GenerationRequest(
            prompt=" BREAK ".join(rng.choice(WORDS, rng.choice((1, 1, 2, 3)))),
            seed=seed,
            num_steps=int(rng.integers(8, 51)),
        )
        for seed in range(count)
    ]


def row(name: str, way: Way, engine: Engine, trace: Trace, alone: list[Result]) -> list[str]:
    clock = Clock()
    served = way(engine, trace, clock)
    span = max(done for done, _ in served.values()) - trace[0][0]
    latencies = [served[i][0] - moment for i, (moment, _) in enumerate(trace)]
    largest = max(largest_difference(served[i][1].image, picture.image) for i, picture in enumerate(alone))
    median, late = np.quantile(latencies, [0.5, 0.95])
    return [name, f"{len(trace) / span:.2f}", f"{median:.2f} s", f"{late:.2f} s", f"{largest}/255"]


def one_at_a_time(engine: Engine, trace: Trace, clock: Clock) -> Served:
    served: Served = {}
    for position, (moment, request) in enumerate(trace):
        clock.wait_until(moment)
        (result,) = (step.result for step in engine.run([request]) if step.result)
        served[position] = clock.now, result
    return served


def whole_requests(engine: Engine, trace: Trace, clock: Clock) -> Served:
    """A request that arrives during a batch waits for its end; so does one that is finished before the
    others."""
    served: Served = {}
    while len(served) < len(trace):
        first = len(served)
        clock.wait_until(trace[first][0])
        last = first + 1
        while last < len(trace) and trace[last][0] <= clock.now and last - first < engine.max_rows // 2:
            last += 1
        results = list(finished(engine, [request for _, request in trace[first:last]]))
        served |= {first + id: (clock.now, result) for id, result in results}
    return served


def finished(engine: Engine, asked: list[GenerationRequest]) -> Iterator[tuple[int, Result]]:
    for step in engine.run(asked):
        if step.result is not None:
            yield step.id, step.result


def in_session(engine: Engine, trace: Trace, clock: Clock) -> Served:
    session, served, taken = engine.session(), {}, 0
    while len(served) < len(trace):
        if not session.is_busy:
            clock.wait_until(trace[taken][0])
        while taken < len(trace) and trace[taken][0] <= clock.now and session.free_rows > 0:
            session.add(trace[taken][1])
            taken += 1
        for step in session.step():
            if step.result is not None:
                served[step.id] = clock.now, step.result
    return served
