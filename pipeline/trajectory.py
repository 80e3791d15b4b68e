"""The way of one picture from noise to latent, as a coroutine that asks for its predictions."""

from collections.abc import Generator
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.request import GenerationRequest


@dataclass(frozen=True, slots=True)
class Ask:
    """What a trajectory needs to know before it can go on.

    Attributes:
        x: 1 c h w, the latent as the scheduler scales it for the U-Net.
        timestep: scalar.
        guided: whether a prediction for the negative prompt is wanted, before that for the prompt.
        index: predictions received so far; `count` of them make the picture.
        denoised: 1 c h w, the clean latent that the last prediction pointed at; None before the first.
    """

    x: Tensor
    timestep: Tensor
    guided: bool
    index: int
    count: int
    denoised: Tensor | None


Trajectory = Generator[Ask, Tensor, Tensor]


def initial_noise(seed: int, shape: tuple[int, int, int]) -> tuple[Float[Tensor, "c h w"], torch.Generator]:
    """Noise of a seed, float32 on the CPU whatever the device, and the generator to go on drawing from."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator), generator


def guide(rows: Float[Tensor, "2 c h w"], scale: float) -> Float[Tensor, "1 c h w"]:
    """Classifier-free guidance of the rows (negative, prompt).

    Source: Ho & Salimans, arXiv:2207.12598, equation 6, with `scale` = 1 + w.
    """
    negative, prompt = rows.chunk(2)
    return negative + scale * (prompt - negative)


def denoise(x: Tensor, prediction: Tensor, alpha_bar: Tensor, prediction_type: str) -> Tensor:
    """The clean latent that a prediction at `x` points at.

    Args:
        alpha_bar: cumulative product of 1 - beta at the timestep.
        prediction_type: `epsilon`, `v_prediction` or `sample`.

    Source: Ho et al., arXiv:2006.11239, equation 4; Salimans & Ho, arXiv:2202.00512, appendix D for v.
    """
    if prediction_type == "sample":
        return prediction
    alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    if prediction_type == "v_prediction":
        return alpha * x - sigma * prediction
    return (x - sigma * prediction) / alpha


def sample(
    request: GenerationRequest, scheduler: Any, shape: tuple[int, int, int], device: torch.device
) -> Trajectory:
    """Yields an `Ask` for each prediction, is sent rows r c h w of it, and returns the final latent 1 c h w.

    Args:
        request: resolved.
        scheduler: a diffusers scheduler of its own, since it carries state; computes in float32.
        shape: channels, height, width of the latent.
    """
    assert request.guidance_scale is not None, "the request is not resolved"
    noise, generator = initial_noise(request.seed, shape)
    accepted = signature(scheduler.step).parameters
    options = {k: v for k, v in {"generator": generator, "eta": 0.0}.items() if k in accepted}
    scheduler.set_timesteps(request.num_steps, device=device)
    timesteps, denoised = scheduler.timesteps, None
    latent = noise[None].to(device) * scheduler.init_noise_sigma
    for index, timestep in enumerate(timesteps):
        x = scheduler.scale_model_input(latent, timestep)
        rows = (yield Ask(x, timestep, request.is_guided, index, len(timesteps), denoised)).float()
        prediction = guide(rows, request.guidance_scale) if request.is_guided else rows
        alpha_bar = scheduler.alphas_cumprod[timestep.long().cpu()].to(device)
        denoised = denoise(x, prediction, alpha_bar, scheduler.config.prediction_type)
        latent = scheduler.step(prediction, timestep, latent, **options, return_dict=False)[0]
    return latent
