"""Where a change of words would change an image: a mask, found by two predictions of the same noise.

Source: Couairon et al. 2022, "DiffEdit", arXiv:2210.11427, section 3.2. Differences are smoothed over
neighbours, and the threshold is a share of the largest; the paper's rule finds less of the default model.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import NonFinitePrediction
from limelight.pipeline.latents.vae import encoded, pixels_of, sampled
from limelight.pipeline.maps.hysteresis import dilated
from limelight.pipeline.reading.word_mask import mask_image
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.sampling.begin import begin
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.sampling.passes import make_passes
from limelight.pipeline.sampling.predict import predict
from limelight.pipeline.sampling.sampler import PredictionRequest

STRENGTH = 0.5  # of the noise
STEPS = 50
SEEDS = 10  # noises whose differences are averaged
THRESHOLD = 0.5  # of the largest difference


def change_mask(engine: Engine, image: Source, prompt: str, other: str, *, grow: int = 1) -> Image.Image:
    """White where an image would be another if it were described by other words.

    Args:
        prompt: describes the image, and `other` what it shall become.
        grow: how many positions of the latent the mask is made wider on each side.

    Raises:
        RequestError: the image cannot be read, or the model cannot begin from it.
        NonFinitePrediction: the model overflowed.
    """
    read = InputImage.read("image", image, "RGB")
    width, height = engine.model.size_for(read.size)
    asked = GenerationRequest(
        prompt=prompt,
        image=read,
        width=width,
        height=height,
        strength=STRENGTH,
        num_steps=STEPS,
        guidance_scale=1.0,
    )
    apart = torch.stack(differences(engine, engine.resolve(asked), other)).mean(0)
    smooth = F.avg_pool2d(apart[None], 3, 1, 1, count_include_pad=False)
    factor = engine.model.latent_factor
    height, width = (factor * side for side in apart.shape)
    fine = F.interpolate(smooth[None], (height, width), mode="bicubic")[0, 0]
    mask = (fine >= THRESHOLD * fine.max()) & (fine > 0)
    mask = dilated(mask, grow * factor, grow * factor) if grow else mask
    return mask_image(mask, read.size)


@torch.inference_mode()
def differences(engine: Engine, asked: GenerationRequest, other: str) -> list[Float[Tensor, "h w"]]:
    """How far the predictions for two prompts lie apart at each position of the latent, for each noise.

    The image is encoded once.

    Args:
        asked: resolved, with one of the prompts.
    """
    model, attention = engine.model, engine.attention(asked.width, asked.height)
    assert isinstance(asked.image, InputImage) and asked.width and asked.height
    mean, std = encoded(model.vae, pixels_of(asked.image.pixels, asked.width, asked.height))
    plain = replace(asked, image=None, strength=None)
    jobs = [
        begin(0, replace(plain, prompt=prompt), model, attention, engine.max_rows)[0]
        for prompt in (asked.prompt, other)
    ]
    found: list[Tensor] = []
    for seed in range(SEEDS):
        generator = torch.Generator("cpu").manual_seed(seed)
        clean = sampled(model.vae, mean, std, generator)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        (steps,) = make_passes(replace(asked, seed=seed), model)
        x = steps.scheduler.add_noise(clean, noise, steps.timesteps[:1])
        x = steps.scheduler.scale_model_input(x, steps.timesteps[0])
        prediction = PredictionRequest(x, ["prompt"], steps.timesteps[0], clean)
        rows = predict(model, [replace(job, asked=prediction) for job in jobs])
        found.append(_apart(*rows))
    return found


def _apart(*rows: Tensor | NonFinitePrediction) -> Float[Tensor, "h w"]:
    for row in rows:
        if isinstance(row, NonFinitePrediction):
            raise row
    one, other = (row[0].float().cpu() for row in rows if isinstance(row, Tensor))
    return (one - other).abs().mean(0)
