"""The clean latent that a prediction points at, whatever the scheduler's noise levels are."""

from typing import Any

import torch
from torch import Tensor


def denoise(scheduler: Any, x: Tensor, prediction: Tensor, timestep: Tensor) -> Tensor:
    """The clean latent that a prediction points at, before the scheduler's step.

    Args:
        scheduler: set to its steps, and `scale_model_input` has been called.
        x: 1 c h w, the noisy latent as the scheduler holds it, not scaled.

    Source: Ho et al., arXiv:2006.11239, equation 4; Salimans & Ho, arXiv:2202.00512, appendix D for v;
    Karras et al., arXiv:2206.00364, equation 7 for EDM's.
    """
    if hasattr(scheduler, "precondition_outputs"):  # EDM's
        sigma = scheduler.sigmas[scheduler.step_index].to(x.device)
        return scheduler.precondition_outputs(x, prediction, sigma)
    kind = scheduler.config.get("prediction_type", "v_prediction")
    alpha, sigma = (part.to(x.device) for part in _signal_and_noise(scheduler, timestep))
    x_in = scheduler.scale_model_input(x, timestep)
    if kind == "sample":
        return prediction
    if kind == "v_prediction":
        return alpha * x_in - sigma * prediction
    return (x_in - sigma * prediction) / alpha.clamp(min=2.0**-12)


def _signal_and_noise(scheduler: Any, timestep: Tensor) -> tuple[Tensor, Tensor]:
    """The square roots of alpha-bar and of 1 - alpha-bar at a timestep."""
    if not hasattr(scheduler, "alphas_cumprod"):  # IPNDM's, which are of its steps, by sine and cosine
        index = scheduler.step_index
        index = scheduler.index_for_timestep(timestep) if index is None else index
        return scheduler.alphas[index], scheduler.betas[index]
    alpha_bar = torch.as_tensor(scheduler.alphas_cumprod)[timestep.long().cpu()]
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
