"""A checkpoint in one file draws what diffusers draws from the same weights in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import GenerationRequest, TextToImagePipeline
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


@pytest.mark.filterwarnings("ignore::pipeline.single_file.prediction.PredictionAssumed")
@pytest.mark.parametrize("kind", ["sd1", "sd1-one-resnet", "sd2", "sd2-v", "sdxl"])
def test_draws_what_diffusers_draws(checkpoint: Callable[[str], Any], kind: str, tmp_path: Path) -> None:
    made = checkpoint(kind)
    pipe = TextToImagePipeline.from_pretrained(made.save(tmp_path / "m.safetensors"), device="cpu")
    assert pipe.model.family.name == kind.partition("-")[0]
    ours, theirs = pipe(REQUEST).image, drawn_by(stock_pipeline(made.pipeline, made.folder), REQUEST)
    assert np.asarray(theirs).std() > 5
    assert largest_difference(ours, theirs) <= 1
