"""Checks open questions about behaviour on a GPU that reading the code cannot answer."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from limelight.attention import AttentionSpec, attend, get
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.results.result import Result
from scripts.benchmarks.tools.images import largest_difference
from scripts.gpu.parts.backends import KINDS, MODELS, TINY, draw, first_line
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import default_pipeline

STEPS = 3


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    questions: dict[str, Callable[[], Iterator[Finding]]] = {
        "the kernel that SDPA says": partial(said_kernel, card, tiny=tiny),
        "a second GPU": second_gpu,
        "compiled, drawn by another thread": partial(in_thread, card, tiny=tiny),
        "decoded in a thread while others are sampled": partial(decoded_in_thread, card, tiny=tiny),
    }
    for name, ask in questions.items():
        try:
            yield from ask()
        except Exception as failure:
            yield Finding(name, "wrong", {}, first_line(failure))
        card.forget()


def said_kernel(card: Card, *, tiny: bool) -> Iterator[Finding]:
    """Whether torch runs the kernel that the plan of backends names."""
    dtype = torch.float16 if card.is_gpu else torch.float32
    for name, case in TINY.items() if tiny else (MODELS | KINDS).items():
        if case.strides == "apart":  # a spec has no strides
            continue
        q, k, v, mask = draw(card.device, case, dtype)
        spec = AttentionSpec.of(q, k, v, mask=mask, causal=case.causal)
        said = get("sdpa").kernel(spec)
        work = partial(attend, q, k, v, mask=mask, causal=case.causal, backend="sdpa")
        work()
        with profile(activities=[ProfilerActivity.CPU]) as found:
            work()
            card.synchronize()
        operators = [event.key for event in found.key_averages() if "scaled_dot_product_" in event.key]
        ran = (
            operators[-1].rpartition("scaled_dot_product_")[2].partition("_attention")[0] if operators else ""
        )
        ran = ran or "math"
        verdict = "right" if said in ran or ran.startswith("fused") or said == "math" else "wrong"
        yield Finding(f"{name}, the kernel", verdict, {"said": said, "ran": ran})


def second_gpu() -> Iterator[Finding]:
    """Draws a picture on a GPU that is not the current one, as a process of a batch does."""
    if torch.cuda.device_count() < 2:
        yield Finding("a second GPU", "refused", {}, f"there are {torch.cuda.device_count()}")
        return
    request = GenerationRequest(prompt="a frog", seed=1, num_steps=STEPS, record="site")
    for order in ("sdpa", "cross=triton"):
        pipes = [TextToImagePipeline.from_pretrained(device=f"cuda:{i}", attention=order) for i in (0, 1)]
        far = largest_difference(*(pipe(request).image for pipe in pipes))
        yield Finding(f"a second GPU, {order}", "right" if far <= 1 else "wrong", {"apart, of 255": far})


def in_thread(card: Card, *, tiny: bool) -> Iterator[Finding]:
    """Draws a compiled picture in another thread: CUDA graphs belong to the thread that made them, and the
    page draws in threads of its own."""
    options: dict[str, Any] = {} if tiny else {"compile": "reduce-overhead"}
    pipe = default_pipeline(card.device, card.dtypes[0], tiny=tiny, **options)
    request = GenerationRequest(prompt="a frog", seed=1, num_steps=STEPS)
    here, there = pipe(request), in_another_thread(partial(pipe, request))
    far = largest_difference(here.image, there.image)
    yield Finding(
        "compiled, drawn by another thread", "right" if far <= 1 else "wrong", {"apart, of 255": far}
    )


def decoded_in_thread(card: Card, *, tiny: bool) -> Iterator[Finding]:
    """Decodes in a thread during sampling, as a batch's writer does, and compares with pictures decoded
    alone."""
    pipe = default_pipeline(card.device, card.dtypes[0], tiny=tiny)
    asked = [GenerationRequest(prompt="a frog", seed=seed, num_steps=STEPS) for seed in range(4)]
    expected = [pipe(request) for request in asked]
    session = pipe.engine.session(later=True)
    session.add(asked[0])
    finished: dict[int, Callable[[], Result]] = {}
    while session.is_busy:
        finished |= {step.id: step.finish for step in session.step() if step.finish is not None}
    for request in asked[1:]:
        session.add(request)
    decoder = Answer(finished.pop(0))
    while session.is_busy:
        finished |= {step.id: step.finish for step in session.step() if step.finish is not None}
    found = [decoder.result(), *(finished[i]() for i in sorted(finished))]
    far = max(largest_difference(a.image, b.image) for a, b in zip(found, expected, strict=True))
    yield Finding(
        "decoded in a thread during sampling", "right" if far <= 2 else "wrong", {"apart, of 255": far}
    )


class Answer(threading.Thread):
    """A thread that starts at once and keeps what `ask` returns or raises."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        super().__init__()
        self._ask = ask
        self._found: list[Any] = []
        self._failed: list[Exception] = []
        self.start()

    def run(self) -> None:
        try:
            self._found.append(self._ask())
        except Exception as failure:
            self._failed.append(failure)

    def result(self) -> Any:
        self.join()
        for failure in self._failed:
            raise failure
        return self._found[0]


def in_another_thread(ask: Callable[[], Any]) -> Any:
    return Answer(ask).result()
