"""Pictures drawn by diffusers' own pipelines, and the difference between two pictures."""

from inspect import signature
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest
from limelight.pipeline.models.model import Model


def largest_difference(a: Image.Image, b: Image.Image) -> int:
    """The largest difference of any pixel, in steps of 1/255."""
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


def stock_pipeline(cls: str, folder: Path) -> Any:
    import diffusers

    pipe = getattr(diffusers, cls).from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn_by(pipe: Any, request: GenerationRequest, **options: object) -> Image.Image:
    """A diffusers pipeline's picture for a request, with those of the request's fields that the pipeline
    has."""
    values = {
        "negative_prompt": request.negative_prompt or None,
        "width": request.width,
        "height": request.height,
        "num_inference_steps": request.num_steps,
        "guidance_scale": request.guidance_scale,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
    }
    accepted = signature(pipe.__call__).parameters
    known = {name: value for name, value in values.items() if name in accepted}
    return pipe(request.prompt, **(known | options)).images[0]


def contexts_of(request: GenerationRequest, model: Model, num_rows: int) -> Tensor:
    """What a stock U-Net reads for a request, b m c: the last row is the prompt's.

    Each context is repeated to a common length, which attention reads as if it were there once.
    """
    prompt = model.text.prompt(request.prompt, clip_skip=request.clip_skip).context
    negative = model.text.negative(request.negative_prompt).context
    rows = [*[negative] * (num_rows - 1), prompt]
    length = lcm(*map(len, rows))
    return torch.stack([row.repeat(length // len(row), 1) for row in rows])
