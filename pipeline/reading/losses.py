"""How well a model predicts the noise in an image with each of several prompts.

Source: Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier", arXiv:2303.16203; the noise
is shared by all that is compared, as in its section 3.3.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention import AttentionRuntime
from limelight.pipeline.errors import NonFinitePrediction
from limelight.pipeline.latents.vae import encode, normalise, pixels_of
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.begin import begin
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.sampling.job import Job
from limelight.pipeline.sampling.predict import predict

TIMESTEPS = (300, 600)
NOISES = 4  # at each timestep
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Noised:
    """An image with each of several noises, as `begin` takes it, and what the model should predict.

    Attributes:
        levels: for each of `TIMESTEPS`, `NOISES` of (x, target, timestep).
    """

    engine: Engine
    request: GenerationRequest
    attention: AttentionRuntime
    levels: tuple[tuple[tuple[Tensor, Tensor, Tensor], ...], ...]


def end_of(parts: Generator[object, None, T]) -> T:
    """What a generator returns at its end."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            return end.value


@torch.inference_mode()
def noised(engine: Engine, request: GenerationRequest) -> Noised:
    """The request's image with noises of its seed.

    Raises:
        PictureError: the VAE overflowed.
    """
    model = engine.model
    asked = GenerationRequest(
        prompt=request.prompt,
        width=request.width,
        height=request.height,
        clip_skip=request.clip_skip,
        prompt_syntax=request.prompt_syntax,
        guidance_scale=1.0,
    )
    resolved = engine.resolve(asked)
    width, height = resolved.width, resolved.height
    assert width is not None and height is not None and isinstance(request.image, InputImage)
    clean = normalise(model.vae, encode(model.vae, pixels_of(request.image.pixels, width, height), None))
    generator = torch.Generator("cpu").manual_seed(request.seed)
    levels = tuple(
        tuple(
            _noised(model, clean, torch.randn(clean.shape, generator=generator), timestep)
            for _ in range(NOISES)
        )
        for timestep in TIMESTEPS
    )
    return Noised(engine, resolved, engine.attention(width, height), levels)


def losses_of(seen: Noised, prompts: Sequence[str], level: int) -> Float[Tensor, "p k"]:
    """The mean squared error of the prediction for each prompt and each noise of a level.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 14; of v, Salimans & Ho 2022, arXiv:2202.00512, app. D.

    Raises:
        PictureError: the model overflowed.
    """
    return end_of(losses(seen, prompts, level))


@torch.inference_mode()
def losses(seen: Noised, prompts: Sequence[str], level: int) -> Generator[int, None, Tensor]:
    """`losses_of` in parts; yields the rows that are done after each call of the U-Net."""
    model, max_rows, noises = seen.engine.model, seen.engine.max_rows, seen.levels[level]
    jobs: list[Job] = []
    for prompt in prompts:
        job, _ = begin(0, replace(seen.request, prompt=prompt), model, seen.attention, max_rows)
        jobs += [
            replace(job, asked=replace(job.asked, x=x, timestep=timestep, roles=["prompt"]))
            for x, _, timestep in noises
        ]
    found: list[float] = []
    for first in range(0, len(jobs), max_rows):
        for prediction in predict(model, jobs[first : first + max_rows]):
            if isinstance(prediction, NonFinitePrediction):
                raise prediction
            target = noises[len(found) % len(noises)][1]
            found.append(float((prediction.float() - target.to(prediction.device)).square().mean()))
        yield len(found)
    return torch.tensor(found).unflatten(0, (len(prompts), len(noises)))


def _noised(model: Model, clean: Tensor, noise: Tensor, timestep: int) -> tuple[Tensor, Tensor, Tensor]:
    """The noised latent, what the model should predict for it, and the timestep."""
    schedule = model.schedulers.make("ddim")
    alpha = float(schedule.alphas_cumprod[timestep]) ** 0.5
    sigma = (1 - alpha**2) ** 0.5
    noise = noise.to(clean.device)
    x = alpha * clean + sigma * noise
    kind = schedule.config.prediction_type
    target = noise if kind == "epsilon" else clean if kind == "sample" else alpha * noise - sigma * clean
    return x, target, torch.tensor(timestep, device=clean.device)
