"""Pictures made from images: as diffusers' own pipelines make them, from the same folder and noise."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.requests.schedulers import SCHEDULERS, make_scheduler
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

PROMPT = "a red apple, on a BLUE background!"


def picture(width: int = 24, height: int = 16) -> Image.Image:
    """Soft colours with an edge, so that nothing about it is symmetric."""
    y, x = np.mgrid[:height, :width]
    values = np.stack([255 * x / width, 255 * y / height, 255 * (x + 2 * y > width)], axis=-1)
    return Image.fromarray(values.astype(np.uint8))


def mask(width: int = 24, height: int = 16) -> Image.Image:
    image = Image.new("L", (width, height))
    image.paste(255, (width // 3, height // 4, width - 4, height))
    return image


def request(**fields: object) -> GenerationRequest:
    values = {"prompt": PROMPT, "seed": 7, "num_steps": 6, "guidance_scale": 5.0, "image": picture()}
    return GenerationRequest(**(values | fields))


theirs_from = cache(stock_pipeline)


@cache
def ours_from(folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(folder, device="cpu")


def scheduler_config(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "scheduler" / "scheduler_config.json").read_text())


def by_diffusers(
    cls: str,
    folder: Path,
    request: GenerationRequest,
    generator: torch.Generator | None = None,
    **fields: object,
) -> Image.Image:
    pipe = theirs_from(cls, folder)
    pipe.scheduler = make_scheduler(request.scheduler or "model", scheduler_config(folder))
    if generator is not None:
        fields["generator"] = generator
    return drawn_by(pipe, request, **fields)


def draw(folder: Path, request: GenerationRequest) -> Image.Image:
    return ours_from(folder)(request).image


@pytest.mark.parametrize("scheduler", ["model", *SCHEDULERS])
def test_image_to_image_with_every_scheduler(sd_folder: Path, scheduler: str) -> None:
    asked = request(scheduler=scheduler, strength=0.6)
    theirs = by_diffusers("StableDiffusionImg2ImgPipeline", sd_folder, asked, image=picture(), strength=0.6)
    assert largest_difference(draw(sd_folder, asked), theirs) <= 1


@pytest.mark.parametrize("strength", [0.2, 1.0, None])
def test_image_to_image_at_every_strength(sd_folder: Path, strength: float | None) -> None:
    asked = request(strength=strength, negative_prompt="blurry")
    theirs = by_diffusers(
        "StableDiffusionImg2ImgPipeline", sd_folder, asked, image=picture(), strength=strength or 0.8
    )
    assert largest_difference(draw(sd_folder, asked), theirs) <= 1


def test_image_to_image_sdxl(sdxl_folder: Path) -> None:
    asked = request(strength=0.5)
    theirs = by_diffusers(
        "StableDiffusionXLImg2ImgPipeline", sdxl_folder, asked, image=picture(), strength=0.5
    )
    assert largest_difference(draw(sdxl_folder, asked), theirs) <= 1


@pytest.mark.parametrize("scheduler", ["model", "euler", "heun", "dpm++2m", "unipc", "pndm"])
@pytest.mark.parametrize("strength", [0.7, None])
def test_inpainting_with_a_u_net_of_4_channels(
    sd_folder: Path, scheduler: str, strength: float | None
) -> None:
    asked = request(scheduler=scheduler, strength=strength, mask=mask())
    theirs = by_diffusers(
        "StableDiffusionInpaintPipeline",
        sd_folder,
        asked,
        image=picture(),
        mask_image=mask(),
        strength=strength or 1.0,
    )
    assert largest_difference(draw(sd_folder, asked), theirs) <= 1


@pytest.mark.parametrize("scheduler", ["euler-a", "lcm", "ddpm", "dpm++2m-sde", "dpm2-a", "tcd"])
@pytest.mark.parametrize("strength", [1.0, 0.7])
def test_inpainting_with_schedulers_that_draw_noise(sd_folder: Path, scheduler: str, strength: float) -> None:
    """diffusers draws a latent of the masked image, which a model of 4 channels does not take."""
    asked = request(scheduler=scheduler, strength=strength, mask=mask())
    theirs = by_diffusers(
        "StableDiffusionInpaintPipeline",
        sd_folder,
        asked,
        image=picture(),
        mask_image=mask(),
        strength=strength,
    )
    assert largest_difference(draw(sd_folder, asked), theirs) <= 1


def test_two_text_encoders_and_a_score(make_sdxl: Callable[..., Path]) -> None:
    """As models trained from SDXL's refiner have them."""
    folder = make_sdxl(projection_class_embeddings_input_dim=5 * 8 + 16)
    asked = request(strength=0.6, negative_prompt="blurry")
    pipe = stock_pipeline("StableDiffusionXLImg2ImgPipeline", folder)
    pipe.register_to_config(requires_aesthetics_score=True)
    theirs = drawn_by(pipe, asked, image=picture(), strength=0.6)
    assert largest_difference(draw(folder, asked), theirs) <= 1


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_image_to_image_with_a_consistency_model(lcm_folder: Path, strength: float) -> None:
    asked = request(strength=strength, num_steps=4, guidance_scale=8.0)
    theirs = by_diffusers(
        "LatentConsistencyModelImg2ImgPipeline", lcm_folder, asked, image=picture(), strength=strength
    )
    assert largest_difference(draw(lcm_folder, asked), theirs) <= 1


@pytest.mark.parametrize(
    ("scheduler", "strength"), [("model", None), ("model", 0.7), ("euler-a", None), ("lcm", 0.7)]
)
def test_inpainting_with_a_u_net_of_9_channels(
    inpaint_folder: Path, scheduler: str, strength: float | None
) -> None:
    asked = request(scheduler=scheduler, strength=strength, mask=mask(), negative_prompt="blurry")
    theirs = by_diffusers(
        "StableDiffusionInpaintPipeline",
        inpaint_folder,
        asked,
        image=picture(),
        mask_image=mask(),
        strength=strength or 1.0,
    )
    assert largest_difference(draw(inpaint_folder, asked), theirs) <= 1


@pytest.mark.parametrize(
    ("scheduler", "guidance_scale", "image_guidance_scale"),
    [("model", 5.0, None), ("euler-a", 7.5, 1.0), ("model", 1.0, 1.5)],
)
def test_editing_an_image(
    edit_folder: Path, scheduler: str, guidance_scale: float, image_guidance_scale: float | None
) -> None:
    asked = request(
        scheduler=scheduler,
        guidance_scale=guidance_scale,
        image_guidance_scale=image_guidance_scale,
        negative_prompt="blurry",
    )
    theirs = by_diffusers(
        "StableDiffusionInstructPix2PixPipeline",
        edit_folder,
        asked,
        image=picture(),
        image_guidance_scale=image_guidance_scale or 1.5,
    )
    assert largest_difference(draw(edit_folder, asked), theirs) <= 1


@pytest.mark.parametrize("scheduler", ["model", "euler-a"])
def test_a_second_pass_is_image_to_image_over_the_enlarged_picture(sd_folder: Path, scheduler: str) -> None:
    asked = request(image=None, width=24, height=16, scheduler=scheduler, hires_scale=2, hires_strength=0.6)
    generator = torch.Generator("cpu").manual_seed(asked.seed)
    first = by_diffusers("StableDiffusionPipeline", sd_folder, asked, generator, width=24, height=16)
    large = first.resize((48, 32), Image.Resampling.LANCZOS)
    theirs = by_diffusers(
        "StableDiffusionImg2ImgPipeline", sd_folder, asked, generator, image=large, strength=0.6
    )
    assert largest_difference(draw(sd_folder, asked), theirs) <= 1


def test_images_of_another_size_are_resized_as_by_diffusers(sd_folder: Path) -> None:
    asked = request(image=picture(50, 35), strength=0.6)
    assert (asked.width, asked.height) == (48, 32)
    large = picture(50, 35).resize((48, 32), Image.Resampling.LANCZOS)
    theirs = by_diffusers("StableDiffusionImg2ImgPipeline", sd_folder, asked, image=large, strength=0.6)
    assert largest_difference(draw(sd_folder, asked), theirs) <= 1


def test_the_pictures_of_these_tests_depend_on_image_mask_and_kind(
    sd_folder: Path, inpaint_folder: Path, edit_folder: Path
) -> None:
    other = picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    everywhere = Image.new("L", (24, 16), 255)
    for folder, fields in (
        (sd_folder, {"strength": 0.6}),
        (sd_folder, {"mask": mask()}),
        (inpaint_folder, {"mask": mask()}),
        (edit_folder, {}),
    ):
        drawn = draw(folder, request(**fields))
        assert np.asarray(drawn).std() > 5
        assert largest_difference(drawn, draw(folder, request(**fields | {"image": other}))) > 1
        if "mask" in fields:
            assert largest_difference(drawn, draw(folder, request(**fields | {"mask": everywhere}))) > 1
