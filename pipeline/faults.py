"""Finds where in a U-Net NaN or infinity first appears."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from attention import AttentionRuntime, Backend


def first_fault(call: Callable[[AttentionRuntime], Any], runtime: AttentionRuntime) -> str:
    """Repeats a U-Net call, looking at what goes in and out of every attention site, and says what it saw.

    Args:
        call: the U-Net call, given what it does its attention with.
        runtime: what it did it with.
    """
    faults: list[str] = []
    watched = {site: _watched(site, backend, faults) for site, backend in runtime.plan.items()}
    call(replace(runtime, plan=watched, recorder=None, means=None))
    return faults[0] if faults else "after the last attention site"


def _watched(site: str, backend: Backend, faults: list[str]) -> Backend:
    def run(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        out = backend.run(q, k, v, **options)
        if not faults:
            if not all(x.isfinite().all() for x in (q, k, v)):
                faults.append(f"before attention at {site} (a weight, or the input)")
            elif not out.isfinite().all():
                faults.append(f"in attention at {site}, backend {backend.name}")
        return out

    return replace(backend, run=run, cross=None)  # one way in, whose arguments are plain tensors
