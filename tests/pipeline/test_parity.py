"""A request gives the same picture in diffusers' own pipeline, from the same folder and noise."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.models.locate import DEFAULT_MODEL
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


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "IPNDMScheduler", "num_train_timesteps": 1000},
        {"_class_name": "EDMEulerScheduler", "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5},
        {"_class_name": "EDMDPMSolverMultistepScheduler", "prediction_type": "v_prediction"},
        {"_class_name": "EDMDPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"},
        {"_class_name": "SASolverScheduler", "beta_schedule": "scaled_linear"},
    ],
)
def test_schedulers_that_only_a_models_folder_names(
    sd_folder: Path, tmp_path: Path, config: dict[str, object]
) -> None:
    folder = Path(shutil.copytree(sd_folder, tmp_path / "model"))
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    index = json.loads((folder / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", config["_class_name"]]
    (folder / "model_index.json").write_text(json.dumps(index))
    asked = request()
    steps = list(TextToImagePipeline.from_pretrained(folder, device="cpu").stream([asked]))
    assert all(step.preview is None or step.preview() for step in steps)
    assert steps[-1].result is not None
    theirs = drawn_by(stock_pipeline("StableDiffusionPipeline", folder), asked)
    assert largest_difference(steps[-1].result.image, theirs) <= 1


@pytest.mark.parametrize("is_from_image", [False, True])
def test_latents_of_a_mean_and_a_spread(sdxl_folder: Path, tmp_path: Path, is_from_image: bool) -> None:
    """As Playground v2.5's VAE has them."""
    folder = Path(shutil.copytree(sdxl_folder, tmp_path / "model"))
    path = folder / "vae" / "config.json"
    statistics = {
        "latents_mean": [-1.6, 1.1, 0.4, -2.0],
        "latents_std": [8.4, 6.0, 5.5, 7.5],
        "scaling_factor": 0.5,
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | statistics))
    image = Image.effect_noise((24, 16), 90).convert("RGB")
    more = {"image": image, "strength": 0.6} if is_from_image else {}
    asked = request(**more)
    cls = "StableDiffusionXLImg2ImgPipeline" if is_from_image else "StableDiffusionXLPipeline"
    picture = TextToImagePipeline.from_pretrained(folder, device="cpu")(asked).image
    theirs = drawn_by(stock_pipeline(cls, folder), asked, **more)
    assert largest_difference(picture, theirs) <= 1
    plain = TextToImagePipeline.from_pretrained(sdxl_folder, device="cpu")(asked).image
    assert largest_difference(picture, plain) > 10


def test_diffusers_draws_the_default_model_when_it_is_given_nothing_but_its_folder() -> None:
    asked = request(width=64, height=64, num_steps=1)
    theirs = drawn_by(stock_pipeline("StableDiffusionPipeline", DEFAULT_MODEL), asked)
    picture = TextToImagePipeline.from_pretrained("default", device="cpu", exact=True)(asked).image
    assert largest_difference(picture, theirs) <= 1


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
