"""A checkpoint in one file draws what diffusers draws from the same weights in a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.requests.schedulers import make_scheduler
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

REQUEST = GenerationRequest(
    prompt="a photo of an astronaut, riding a HORSE!",
    negative_prompt="blurry",
    seed=7,
    num_steps=4,
    guidance_scale=5.0,
    width=24,
    height=16,
)


@pytest.mark.filterwarnings("ignore::limelight.pipeline.models.single_file.prediction.PredictionAssumed")
@pytest.mark.parametrize(
    "kind", ["sd1", "sd1-one-resnet", "sd1-without-middle", "sd2", "sd2-v", "sdxl", "sdxl-distilled"]
)
def test_draws_what_diffusers_draws(checkpoint: Callable[[str], Any], kind: str, tmp_path: Path) -> None:
    made = checkpoint(kind)
    pipe = TextToImagePipeline.from_pretrained(made.save(tmp_path / "m.safetensors"), device="cpu")
    assert pipe.model.family.name == kind.partition("-")[0]
    ours, theirs = pipe(REQUEST).image, drawn_by(stock_pipeline(made.pipeline, made.folder), REQUEST)
    assert np.asarray(theirs).std() > 5
    assert largest_difference(ours, theirs) <= 1


@pytest.mark.parametrize(("negative_prompt", "scheduler"), [("", "model"), ("blurry", "ddim")])
@pytest.mark.parametrize("layout", ["file", "folder"])
def test_the_refiner_goes_over_an_image_as_diffusers_does(
    checkpoint: Callable[[str], Any], tmp_path: Path, negative_prompt: str, scheduler: str, layout: str
) -> None:
    made = checkpoint("sdxl-refiner")
    y, x = np.mgrid[:16, :24]
    image = Image.fromarray(np.stack([10 * x, 15 * y, 255 * (x + y > 20)], axis=-1).astype(np.uint8))
    asked = replace(
        REQUEST, negative_prompt=negative_prompt, image=image, strength=0.5, scheduler=scheduler, num_steps=6
    )
    source = made.folder if layout == "folder" else made.save(tmp_path / "m.safetensors")
    ours = TextToImagePipeline.from_pretrained(source, device="cpu")(asked).image

    stock = stock_pipeline(made.pipeline, made.folder)
    stock.scheduler = make_scheduler(scheduler, stock.scheduler.config)
    theirs = drawn_by(stock, asked, image=image, strength=0.5)
    assert np.asarray(theirs).std() > 5
    assert largest_difference(ours, theirs) <= 1
