"""The way of one picture from noise to latent, as a coroutine that asks for its predictions."""

from collections.abc import Generator
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from limelight.pipeline.requests.denoised import denoised as estimate
from limelight.pipeline.sampling.canvas import Canvas
from limelight.pipeline.sampling.guidance import Guidance


@dataclass(frozen=True, slots=True)
class Ask:
    """What a trajectory needs to know before it can go on.

    Attributes:
        x: r i h w, rows of the U-Net's input: the latent as the scheduler scales it, with what stands beside
            it. The last row is the prompt's; those before it are for the negative prompt.
        timestep: scalar.
        index: predictions received so far; `count` of them make the picture.
        denoised: 1 c h w, the clean latent that the last prediction pointed at; before the first of a pass
            that of the image, None where there is none.
        recorded: whether maps are kept of this prediction; they are not of a second, larger pass.
        reuses: whether it takes the deep feature of the last prediction that was computed whole, which had
            at least as many rows.
    """

    x: Tensor
    timestep: Tensor
    index: int
    count: int
    denoised: Tensor | None
    recorded: bool = True
    reuses: bool = False


Trajectory = Generator[Ask, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Pass:
    """Timesteps, and the scheduler that is set to them.

    Attributes:
        scheduler: a diffusers scheduler of its own, since it carries state; computes in float32.
    """

    scheduler: Any
    timesteps: Tensor


def sample(
    canvas: Canvas,
    steps: Pass,
    guidance: Guidance,
    generator: torch.Generator,
    *,
    cache_interval: int = 1,
    done: int = 0,
    more: int = 0,
) -> Trajectory:
    """Yields an `Ask` for each prediction, is sent rows r c h w of it, and returns the final latent 1 c h w.

    Args:
        generator: what a stochastic scheduler draws from.
        cache_interval: one prediction of so many is computed whole, N of Ma et al., arXiv:2312.00858;
            so is one that asks for more rows than the one before it.
        done, more: predictions of passes before and after this one.
    """
    scheduler, timesteps, denoised = steps.scheduler, steps.timesteps, canvas.clean
    accepted = signature(scheduler.step).parameters
    options = {k: v for k, v in {"generator": generator, "eta": 0.0}.items() if k in accepted}
    latent = canvas.begin(scheduler, timesteps)
    age = num_kept = 0  # predictions since the last whole one, and rows of its deep feature
    for index, timestep in enumerate(timesteps):
        x = scheduler.scale_model_input(latent, timestep)
        asked = guidance.rows(x, canvas.beside, acts=guidance.acts(index, len(timesteps)))
        age += 1
        reuses = age < cache_interval and len(asked) <= num_kept
        if not reuses:
            age, num_kept = 0, len(asked)
        rows = yield Ask(
            asked,
            timestep,
            done + index,
            done + len(timesteps) + more,
            denoised,
            recorded=not done,
            reuses=reuses,
        )
        prediction = guidance.combine(rows.float())
        denoised = estimate(scheduler, latent, prediction, timestep)
        latent = scheduler.step(prediction, timestep, latent, **options, return_dict=False)[0]
        latent = canvas.keep(latent, scheduler, timesteps[index + 1 :])
    return latent
