"""The same request through diffusers' own pipeline, from the same folder and noise, is the same picture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.requests.schedulers import SCHEDULERS, make_scheduler
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

PROMPT = "a red apple, on a BLUE background!"


def by_diffusers(
    folder: Path, request: GenerationRequest, cls: str = "StableDiffusionPipeline"
) -> Image.Image:
    pipe = stock_pipeline(cls, folder)
    pipe.scheduler = make_scheduler(request.scheduler or "model", pipe.scheduler.config)
    return drawn_by(pipe, request)


def request(**fields: object) -> GenerationRequest:
    values = {"prompt": PROMPT, "seed": 7, "num_steps": 6, "guidance_scale": 5.0, "width": 24, "height": 16}
    return GenerationRequest(**(values | fields))


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


@pytest.mark.parametrize("scheduler", ["model", *SCHEDULERS])
def test_every_scheduler(sd: TextToImagePipeline, sd_folder: Path, scheduler: str) -> None:
    asked = request(scheduler=scheduler, negative_prompt="blurry")
    assert largest_difference(sd(asked).image, by_diffusers(sd_folder, asked)) <= 1


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpm++2m", "unipc"])
def test_v_prediction(make_sd: Callable[..., Path], scheduler: str) -> None:
    folder = make_sd("v_prediction")
    asked = request(scheduler=scheduler)
    picture = TextToImagePipeline.from_pretrained(folder, device="cpu")(asked).image
    assert largest_difference(picture, by_diffusers(folder, asked)) <= 1


@pytest.mark.parametrize("guidance_scale", [0.0, 1.0, 1.5])
def test_guidance_at_one_or_below_is_off(
    sd: TextToImagePipeline, sd_folder: Path, guidance_scale: float
) -> None:
    asked = request(guidance_scale=guidance_scale)
    assert largest_difference(sd(asked).image, by_diffusers(sd_folder, asked)) <= 1


@pytest.mark.parametrize("negative_prompt", ["", "blurry"])
def test_sdxl(sdxl_folder: Path, negative_prompt: str) -> None:
    asked = request(negative_prompt=negative_prompt)
    pipe = TextToImagePipeline.from_pretrained(sdxl_folder, device="cpu")
    theirs = by_diffusers(sdxl_folder, asked, "StableDiffusionXLPipeline")
    assert largest_difference(pipe(asked).image, theirs) <= 1


DISTILLED: dict[str, tuple[str, dict[str, object]]] = {
    "small-sd": ("sd", {}),  # one layer per block, as all models of these tests
    "tiny-sd": (
        "sd",
        {
            "mid_block_type": None,
            "down_block_types": ("CrossAttnDownBlock2D",) * 2,
            "up_block_types": ("CrossAttnUpBlock2D",) * 2,
        },
    ),
    "SSD-1B": (
        "sdxl",
        {
            "layers_per_block": 2,
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "transformer_layers_per_block": [0, [2, 2]],
            "reverse_transformer_layers_per_block": [[2, 2, 3], 1],
            "mid_block_type": "UNetMidBlock2D",
        },
    ),
    "Vega": (
        "sdxl",
        {
            "layers_per_block": 2,
            "down_block_types": ("CrossAttnDownBlock2D",) * 2,
            "up_block_types": ("CrossAttnUpBlock2D",) * 2,
            "transformer_layers_per_block": [[1, 1], [2, 2]],
            "reverse_transformer_layers_per_block": [[2, 2, 2], [2, 1, 1]],
        },
    ),
}


@pytest.mark.parametrize("name", DISTILLED)
def test_distilled_models(make_sd: Callable[..., Path], make_sdxl: Callable[..., Path], name: str) -> None:
    kind, unet = DISTILLED[name]
    folder = make_sd(**unet) if kind == "sd" else make_sdxl(**unet)
    cls = "StableDiffusionPipeline" if kind == "sd" else "StableDiffusionXLPipeline"
    asked = request(negative_prompt="blurry")
    picture = TextToImagePipeline.from_pretrained(folder, device="cpu")(asked).image
    assert np.asarray(picture).std() > 5
    assert largest_difference(picture, by_diffusers(folder, asked, cls)) <= 1


def test_the_pictures_of_the_parity_tests_are_not_constant(sd: TextToImagePipeline) -> None:
    assert np.asarray(sd(request()).image).std() > 5
