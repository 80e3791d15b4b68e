"""Schedules, latents, sizes and a masked part: accepted and refused values."""

from typing import Any

import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest
from limelight.pipeline.batch.rows.columns import typed
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.schedule import Schedule
from limelight.pipeline.requests.schedulers import Schedulers

IMAGE, MASK = Image.new("RGB", (24, 16), "red"), Image.new("L", (24, 16), 255)
CONFIG = {"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "steps_offset": 1}


def request(**fields: Any) -> GenerationRequest:
    return GenerationRequest(prompt="a", **fields)


def test_a_schedule_has_the_number_of_its_steps() -> None:
    assert request(timesteps=(999, 500, 10)).num_steps == 3
    assert request(sigmas=[14.6, 3.1, 0.0]).num_steps == 2
    assert request(sigmas=torch.tensor([14.0, 0.0])).sigmas == (14.0, 0.0)
    assert request(timesteps="999, 500,10", num_steps=3).timesteps == (999, 500, 10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"timesteps": (5, 9)},
            "number 2 of timesteps is 9, after 5; each must be smaller than the one before",
        ),
        ({"timesteps": (1000, 1)}, "number 1 of timesteps is 1000; must be from 0 to 999"),
        ({"timesteps": 5}, "timesteps is 5; must be a tuple or a list"),
        ({"timesteps": "a,b"}, "timesteps is 'a,b'; must be numbers with commas between"),
        ({"timesteps": range(999, -1, -1)}, "timesteps is range(999, -1, -1); must be a tuple or a list"),
        ({"sigmas": [3.0] * 1002}, "sigmas has 1,002 numbers; at most 1,001"),
        ({"sigmas": (3.0, float("nan"))}, "number 2 of sigmas is nan; must be a finite number"),
        ({"sigmas": (3.0,)}, "sigmas has 1 number; must have 2 or more"),
        ({"sigmas": (3.0, 0.0), "timesteps": (5, 3)}, "timesteps and sigmas are given"),
        (
            {"timesteps": (5, 3), "num_steps": 7},
            "num_steps is 7 and the schedule given has 2; leave num_steps",
        ),
        ({"latents": "noise.pt"}, "latents is 'noise.pt'; must be a tensor 1 c h w, such as torch.randn("),
        (
            {"latents": torch.zeros(4, 8, 8)},
            "latents has the shape (4, 8, 8) and torch.float32; must be 1 c h w",
        ),
        ({"latents": torch.zeros(1, 4, 8, 8).long()}, "and torch.int64; must be 1 c h w of floating point"),
        ({"latents": torch.full((1, 4, 8, 8), torch.inf)}, "latents has NaN or infinity; must be finite"),
        (
            {"latents": torch.zeros(1, 4, 2, 3), "image": IMAGE},
            "latents and image are given; sampling begins",
        ),
        (
            {"denoising_start": 0.5},
            "denoising_start is given and latents is not; give both, or leave denoising",
        ),
        ({"denoising_end": 0.0}, "denoising_start is 0 and denoising_end 0; the start must be smaller"),
        (
            {"denoising_end": 0.5, "hires_scale": 2.0},
            "denoising_end and hires_scale are given; a second pass",
        ),
        ({"original_size": 512}, "original_size is 512; must be a tuple or a list"),
        ({"original_size": (512,)}, "original_size is (512,); must be (height, width)"),
        ({"crops_coords_top_left": (0, -1)}, "left of crops_coords_top_left is -1; must be from 0 to"),
        ({"padding_mask_crop": 8}, "padding_mask_crop is given and mask is not; give both"),
        (
            {"padding_mask_crop": 8, "image": IMAGE, "mask": MASK, "record": True},
            "padding_mask_crop and record are given; only a part of the picture is drawn",
        ),
        (
            {"image": IMAGE, "strength": 0.01},
            "less than one step of 25; must be at least 0.04, or 0 for none",
        ),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**fields)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("timesteps", "999,850,24", (999, 850, 24)),
        ("timesteps", "[999; 24]", (999, 24)),
        ("sigmas", "14.615 3 0", (14.615, 3, 0)),
        ("original_size", "1024, 512", (1024, 512)),
        ("eta", "0.5", 0.5),
        ("padding_mask_crop", "32", 32),
    ],
)
def test_a_cell_of_a_manifest_holds_one(name: str, cell: str, value: object) -> None:
    assert FIELDS[name].value.check(name, typed(name, cell)) == value


def test_latents_are_recognised_by_their_hash() -> None:
    noise = torch.randn(1, 4, 8, 8)
    made = request(latents=noise, width=64, height=64)
    stored = made.to_dict()
    assert stored["latents"]["shape"] == [1, 4, 8, 8]
    assert GenerationRequest.from_dict(stored, latents=noise.clone()) == made
    with pytest.raises(RequestError, match="which are not stored; give them again"):
        GenerationRequest.from_dict(stored)
    with pytest.raises(RequestError, match="the picture was made from"):
        GenerationRequest.from_dict(stored, latents=noise + 1)
    with pytest.raises(RequestError, match="latents is given and the picture was made without"):
        GenerationRequest.from_dict(request().to_dict(), latents=noise)


@pytest.mark.parametrize(
    ("name", "schedule", "message"),
    [
        ("ddim", Schedule(timesteps=(999, 1)), "timesteps is given, and the scheduler 'ddim' has its own"),
        ("dpm++2m", Schedule(sigmas=(3.0, 0.0)), "sigmas is given, and the scheduler 'dpm++2m' has its own"),
        (
            "euler-karras",
            Schedule(timesteps=(999, 1)),
            "which timesteps list; the scheduler 'euler-karras' can",
        ),
        ("euler", Schedule(start=1.0), "none is left between denoising_start and denoising_end"),
        ("euler", Schedule(end=0.0001), "none is left between"),
    ],
)
def test_a_schedule_that_a_scheduler_cannot_take_is_refused(
    name: str, schedule: Schedule, message: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        Schedulers(CONFIG).check_steps(name, 2, schedule=schedule)
    assert message in str(refusal.value)
