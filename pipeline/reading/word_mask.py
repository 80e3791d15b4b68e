"""Where a word is in an image: a mask, found by the model's own cross-attention."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.hysteresis import dilated, hysteresis
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.sampling.engine import Engine

MIDDLE = 0.5  # of the noise, where nothing else is known of a model (Couairon et al. 2022, arXiv:2210.11427)
STEPS = 50
SEEDS = 4  # noises whose maps are averaged


def word_mask(engine: Engine, image: Source, words: str, prompt: str, *, grow: int = 1) -> Image.Image:
    """White where an image shows what words name.

    The image is noised as far as the model's maps are best, and one prediction is recorded from each of
    several noises. The mean map of the words becomes the mask, by hysteresis.

    Args:
        prompt: describes the image and contains the words.
        grow: how many positions of the finest grid the mask is made wider on each side, so that edges are
            drawn again too.

    Raises:
        NoSuchMap: the prompt does not contain the words.
        RequestError: the image cannot be read, or the model cannot begin from it.
    """
    read = InputImage.read("image", image, "RGB")
    seen = look(engine, read, prompt)
    mask = hysteresis(torch.stack([maps.raw.word(words) for maps in seen]).mean(0))
    if grow:
        height, width = mask.shape
        grid = max(seen[0].taken_grids())
        mask = dilated(mask, grow * -(-height // grid[0]), grow * -(-width // grid[1]))
    return mask_image(mask, read.size)


def mask_image(mask: Bool[Tensor, "h w"], size: tuple[int, int]) -> Image.Image:
    """A mask as an image of a size, white where the mask is."""
    return Image.fromarray(mask.numpy().astype(np.uint8) * 255).resize(size, Image.Resampling.NEAREST)


def look(engine: Engine, image: Source, prompt: str) -> list[HeatMaps]:
    """The maps of one prediction from each of several noises over an image, at its usual size."""
    read = InputImage.read("image", image, "RGB")
    width, height = engine.model.size_for(read.size)
    strength = min(MIDDLE, engine.model.best_maps.last)
    asked = GenerationRequest(
        prompt=prompt,
        image=read,
        width=width,
        height=height,
        strength=strength,
        num_steps=STEPS,
        guidance_scale=1.0,
        record="head",
    )
    session = engine.session()
    waiting = {session.add(replace(asked, seed=seed)) for seed in range(SEEDS)}
    found: list[HeatMaps] = []
    while waiting:
        for step in session.step():
            if step.error is not None:
                raise step.error
            assert step.maps is not None, "the request records"
            found.append(step.maps)
            waiting.discard(step.id)
            session.abort(step.id)
    return found
