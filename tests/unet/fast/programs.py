"""Calls that are listed, and what repeats them."""

from collections.abc import Callable

import torch
from torch import Tensor

from limelight.unet.fast.listing import Listing
from limelight.unet.fast.program import Program
from limelight.unet.fast.script import in_script

Compute = Callable[[Tensor], tuple[Tensor, ...]]


def listed(compute: Compute, x: Tensor) -> Program:
    listing = Listing({"x": x})
    with torch.inference_mode(), listing:
        results = compute(x)
    return listing.program(results)


def functions(program: Program) -> list[str]:
    return [each.function for each in program.operations]


def repeat(program: Program, compute: Compute, x: Tensor) -> tuple[Tensor, ...]:
    """What the program gives for `x`, which is what `compute` gives, by Python and by TorchScript; `x` is as
    it was."""
    with torch.inference_mode():
        kept, expected = x.clone(), compute(x.clone())
        found = expected
        for run in (program.in_python(), in_script(program)):
            for _ in range(3):
                found = run({"x": x}, None)
                assert len(found) == len(expected) and all(map(torch.equal, found, expected))
                assert x.equal(kept)
    return found
