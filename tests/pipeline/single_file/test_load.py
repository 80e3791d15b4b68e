"""A checkpoint in one file draws what diffusers draws from the same weights in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import GenerationRequest, TextToImagePipeline

REQUEST = GenerationRequest(
    prompt="a photo of an astronaut, riding a HORSE!",
    negative_prompt="blurry",
    seed=7,
    num_steps=4,
    guidance_scale=5.0,
    width=24,
    height=16,
)


def largest_difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())


def by_diffusers(folder: Path, cls: str) -> Image.Image:
    import diffusers

    pipe = getattr(diffusers, cls).from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe(
        REQUEST.prompt,
        negative_prompt=REQUEST.negative_prompt,
        width=REQUEST.width,
        height=REQUEST.height,
        num_inference_steps=REQUEST.num_steps,
        guidance_scale=REQUEST.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(REQUEST.seed),
    ).images[0]


@pytest.mark.filterwarnings("ignore::pipeline.single_file.prediction.PredictionAssumed")
@pytest.mark.parametrize("kind", ["sd1", "sd1-one-resnet", "sd2", "sd2-v", "sdxl"])
def test_draws_what_diffusers_draws(checkpoint: Callable[[str], Any], kind: str, tmp_path: Path) -> None:
    made = checkpoint(kind)
    pipe = TextToImagePipeline.from_pretrained(made.save(tmp_path / "m.safetensors"), device="cpu")
    assert pipe.model.family.name == kind.partition("-")[0]
    ours, theirs = pipe(REQUEST).image, by_diffusers(made.folder, made.pipeline)
    assert np.asarray(theirs).std() > 5
    assert largest_difference(ours, theirs) <= 1
