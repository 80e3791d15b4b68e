"""Where a change of words would change an image: a mask, found by two predictions of the same noise.

Source: Couairon et al. 2022, "DiffEdit", arXiv:2210.11427, section 3.2. Differences are smoothed over
neighbours, and the threshold is a share of the largest; the paper's rule finds less of the default model.
"""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import NonFinitePrediction
from limelight.pipeline.maps.hysteresis import dilated
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.sampling.begin import begin
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.sampling.predict import predict

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
    asked = GenerationRequest(
        prompt=prompt, image=image, strength=STRENGTH, num_steps=STEPS, guidance_scale=1.0
    ).opened()
    apart = torch.stack([difference(engine, replace(asked, seed=seed), other) for seed in range(SEEDS)]).mean(
        0
    )
    smooth = F.avg_pool2d(apart[None], 3, 1, 1, count_include_pad=False)
    factor = engine.model.latent_factor
    height, width = (factor * side for side in apart.shape)
    fine = F.interpolate(smooth[None], (height, width), mode="bicubic")[0, 0]
    mask = (fine >= THRESHOLD * fine.max()) & (fine > 0)
    mask = dilated(mask, grow * factor, grow * factor) if grow else mask
    return Image.fromarray(mask.numpy().astype(np.uint8) * 255)


def difference(engine: Engine, asked: GenerationRequest, other: str) -> Float[Tensor, "h w"]:
    """How far the predictions for two prompts lie apart at each position of the latent, for one noise."""
    resolved = [engine.resolve(each) for each in (asked, replace(asked, prompt=other))]
    attention = engine.attention(resolved[0].width, resolved[0].height)
    jobs = [begin(id, each, engine.model, attention, engine.max_rows)[0] for id, each in enumerate(resolved)]
    rows: list[Tensor] = []
    for found in predict(engine.model, jobs):
        if isinstance(found, NonFinitePrediction):
            raise found
        rows.append(found[0].float().cpu())
    return (rows[0] - rows[1]).abs().mean(0)
