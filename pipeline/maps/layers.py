"""Iterates over all recorded maps of a picture: grids, then sites by head and by prediction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.recording import Recording

LayerKind = Literal["best", "grid", "heads", "steps"]


@dataclass(frozen=True, slots=True)
class Layer:
    """The maps of all tokens for one grid or site, in several frames.

    Attributes:
        name: "best", "16x16", or the name of the site.
        frames: the prediction of each frame, or for `heads` the head; None stands for the mean over them.
        maps: float32 on the CPU, one row for each frame.
    """

    name: str
    kind: LayerKind
    frames: tuple[int | None, ...]
    maps: Float[Tensor, "f m h w"]


def grid_layers(recording: Recording, steps: Sequence[int]) -> Iterator[Layer]:
    """Each grid, the finest first: its mean over all predictions, then its maps in `steps`."""
    for grid in sorted(recording.totals, reverse=True):
        maps = [recording.grid(grid), *(recording.grid(grid, [step]) for step in steps)]
        yield _layer(f"{grid[0]}x{grid[1]}", "grid", (None, *steps), maps)


def head_layers(recording: Recording) -> Iterator[Layer]:
    """Each site over all predictions: the mean over heads, then each head if heads are recorded."""
    for name in recording.sums:
        maps = recording.site(name)
        if recording.level == "head":
            yield _layer(name, "heads", (None, *range(len(maps))), [maps.mean(0), *maps])
        else:
            yield _layer(name, "heads", (None,), [maps])


def step_layers(recording: Recording) -> Iterator[Layer]:
    """Each site at each prediction, mean over heads, if single predictions are recorded."""
    steps = range(len(recording.site_steps))
    for name in recording.sums if steps else ():
        maps = [recording.site(name, [step]) for step in steps]
        yield _layer(name, "steps", tuple(steps), [m.mean(0) for m in maps] if maps[0].ndim == 4 else maps)


def _layer(name: str, kind: LayerKind, frames: tuple[int | None, ...], maps: Sequence[Tensor]) -> Layer:
    return Layer(name, kind, frames, torch.stack(list(maps)).float().cpu())
