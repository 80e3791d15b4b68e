"""From an image back to noise: DDIM's steps, taken backwards.

Symbols as in `sampler`. From the noise that is found, the same steps give nearly the same picture again. Each
step back takes the prediction for the latent that it leaves at the timestep that it reaches.
"""

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.latents.vae import encode, normalise, pixels_of
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.sampler import Pass, PredictionRequest, Trajectory

# The latents of an image, 1 c h w each: first the clean one, then one more for each step back.
Path = Sequence[Tensor]
Inversion = Generator[PredictionRequest, Tensor, Path]
_LEAST = 1e-10  # of a mean squared error: no PSNR is above 100 dB


def check_inversion(request: GenerationRequest, model: Model) -> None:
    """Raises RequestError if the model cannot turn an image into noise.

    Args:
        request: resolved.
    """
    remedy = "use a model that draws from words alone"
    if model.kind != "draw":
        does = "edits images" if model.kind == "edit" else "draws into the masked part of an image"
        raise RequestError(f"edit_of and image are given; this model {does} and inverts none: {remedy}")
    if model.is_distilled:
        raise RequestError(
            f"edit_of and image are given; this model was distilled to a few steps, which cannot be taken "
            f"backwards: {remedy}"
        )
    assert request.scheduler is not None, "the request is not resolved"
    used = model.schedulers.make(request.scheduler)
    if type(used).__name__ != "DDIMScheduler":
        raise RequestError(
            f"scheduler is {request.scheduler!r}, with edit_of and image; an image is inverted by DDIM's "
            "steps: use ddim or ddim-trailing, or leave it out"
        )


def inversion(request: GenerationRequest, model: Model, steps: Pass) -> Inversion:
    """Inverts the image of a request.

    Args:
        request: resolved and fitted.
        steps: those of the request, by DDIM's scheduler.

    Raises:
        NonFinitePicture: the VAE overflowed.
        OutOfMemory: it has no memory for a tile.
    """
    assert isinstance(request.image, InputImage) and request.width and request.height
    pixels = pixels_of(request.image.pixels, request.width, request.height)
    return invert(normalise(model.vae, encode(model.vae, pixels, None)), steps)


def invert(clean: Float[Tensor, "1 c h w"], steps: Pass) -> Inversion:
    """Asks for the prediction of the base's prompt at each timestep, the last first, and returns the path.

    Source: Song et al. 2021, arXiv:2010.02502, section 4.3, equation 14, backwards, without guidance as in
    Mokady et al. 2022, arXiv:2211.09794, section 3.1.
    """
    path = [clean]
    for timestep in steps.timesteps.flip(0):
        prediction = yield PredictionRequest(path[-1], ["base"], timestep, clean)
        path.append(_step_back(steps.scheduler, path[-1], prediction.float(), int(timestep)))
    return path


def followed(inversion: Inversion, follow: Callable[[Path], Trajectory]) -> Trajectory:
    """An inversion, and the trajectory that begins where it ends."""
    path = yield from inversion
    return (yield from follow(path))


def base_psnr(request: GenerationRequest, base: Image.Image) -> float:
    """How near the base comes to the image that was inverted, in dB."""
    assert isinstance(request.image, InputImage), "the request has no image"
    drawn, given = (pixels_of(each, *base.size) for each in (base, request.image.pixels))
    error = float((drawn - given).square().mean()) / 4  # of values from 0 to 1
    return round(-10 * math.log10(max(error, _LEAST)), 2)


def _step_back(scheduler: Any, x: Tensor, prediction: Tensor, timestep: int) -> Tensor:
    """The latent at a timestep, from the one that a step from there would lead to."""
    alphas, config = scheduler.alphas_cumprod, scheduler.config
    left = timestep - config.num_train_timesteps // scheduler.num_inference_steps
    alpha_bar = (alphas[left] if left >= 0 else scheduler.final_alpha_cumprod).to(x.device)
    alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    if config.prediction_type == "v_prediction":
        denoised, eps = alpha * x - sigma * prediction, alpha * prediction + sigma * x
    elif config.prediction_type == "sample":
        denoised, eps = prediction, (x - alpha * prediction) / sigma
    else:
        denoised, eps = (x - sigma * prediction) / alpha, prediction
    reached = alphas[timestep].to(x.device)
    return reached.sqrt() * denoised + (1 - reached).sqrt() * eps
