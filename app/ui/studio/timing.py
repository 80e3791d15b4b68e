"""Measures how long attention alone takes at each site."""

import time
from threading import Lock
from typing import Any

import torch

from limelight.attention import AttentionSpec, Backend
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.engine import Engine

REPEATS = 5


class Timing:
    """Measures a backend once for each spec, on random numbers. Safe between threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, AttentionSpec], float] = {}
        self._lock = Lock()

    def sites(self, engine: Engine, result: Result) -> list[dict[str, Any]]:
        """Every site of a finished picture with its backend and its time, in the order in which they run."""
        plan, sites = engine.plan(result.request), engine.model.unet.sites
        return [
            {
                "name": site.name,
                "kind": site.kind,
                "positions": plan[site.name].spec.num_queries,
                "heads": site.num_heads,
                "backend": plan[site.name].backend.name,
                "kernel": plan[site.name].kernel,
                "milliseconds": self._milliseconds(plan[site.name].backend, plan[site.name].spec),
            }
            for site in sites
        ]

    def _milliseconds(self, backend: Backend, spec: AttentionSpec) -> float:
        """The time of one call: the least of a few, since other work on the machine only adds to it."""
        with self._lock:
            key = backend.name, spec
            if key not in self._known:
                self._known[key] = 1000 * min(_seconds(backend, spec) for _ in range(REPEATS))
            return self._known[key]


@torch.inference_mode()
def _seconds(backend: Backend, spec: AttentionSpec) -> float:
    shapes = [(spec.num_heads, spec.num_queries), (spec.num_kv_heads, spec.num_keys)]
    q, k = (
        torch.randn(spec.batch, heads, n, spec.head_dim, device=spec.device, dtype=spec.dtype)
        for heads, n in shapes
    )
    began = time.perf_counter()
    backend.attend(q, k, k, mask=None, scale=spec.head_dim**-0.5)
    if spec.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began
