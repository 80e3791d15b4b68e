"""Guidance and its alternatives, against diffusers and against the formulas."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.requests.schedulers import make_scheduler
from limelight.pipeline.sampling.sampler import Guidance, guide, rescale
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline


def request(**fields: object) -> GenerationRequest:
    values = {"prompt": "a red apple", "seed": 7, "num_steps": 6, "guidance_scale": 5.0}
    return GenerationRequest(**({"width": 24, "height": 16} | values | fields))


theirs_from = cache(stock_pipeline)


def by_diffusers(folder: Path, request: GenerationRequest, cls: str, **fields: object) -> Image.Image:
    pipe = theirs_from(cls, folder)
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    pipe.scheduler = make_scheduler(request.scheduler or "model", config, num_steps=request.num_steps)
    return drawn_by(pipe, request, **fields)


def test_rescaled_guidance_has_the_prompts_standard_deviation() -> None:
    torch.manual_seed(0)
    rows = torch.randn(2, 4, 8, 8)
    guided = guide(rows, 7.5)
    assert rescale(guided, rows[1:], 1.0).std() == pytest.approx(float(rows[1].std()), rel=1e-5)
    assert torch.equal(rescale(guided, rows[1:], 0.0), guided)


@pytest.mark.parametrize("phi", [0.3, 1.0])
def test_guidance_rescale(sd_folder: Path, phi: float) -> None:
    asked = request(guidance_rescale=phi, guidance_scale=12.0)
    theirs = by_diffusers(sd_folder, asked, "StableDiffusionPipeline", guidance_rescale=phi)
    ours = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    assert largest_difference(ours(asked).image, theirs) <= 1
    assert largest_difference(ours(request(guidance_scale=12.0)).image, theirs) > 1


@pytest.mark.parametrize("scheduler", ["model", "ddim-trailing", "euler-trailing", "euler-a", "dpm++2m"])
def test_zero_terminal_snr(make_sd: Callable[..., Path], scheduler: str) -> None:
    folder = make_sd("v_prediction", scheduler={"rescale_betas_zero_snr": True})
    asked = request(scheduler=scheduler, guidance_rescale=0.7)
    theirs = by_diffusers(folder, asked, "StableDiffusionPipeline", guidance_rescale=0.7)
    ours = TextToImagePipeline.from_pretrained(folder, device="cpu")(asked).image
    assert np.asarray(ours).std() > 5
    assert largest_difference(ours, theirs) <= 1


@pytest.mark.parametrize(
    ("start", "end", "count", "acting"),
    [
        (0.0, 1.0, 5, [0, 1, 2, 3, 4]),
        (0.2, 0.8, 10, [2, 3, 4, 5, 6, 7]),
        (0.0, 0.7, 10, [0, 1, 2, 3, 4, 5, 6]),
        (0.5, 1.0, 1, [0]),
        (0.41, 0.44, 10, []),
    ],
)
def test_guidance_acts_within_its_interval(start: float, end: float, count: int, acting: list[int]) -> None:
    guidance = Guidance(scale=3.0, start=start, end=end)
    assert [i for i in range(count) if guidance.acts(i, count)] == acting


def test_outside_the_interval_a_request_takes_one_row(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    rows: list[int] = []
    forward = pipe.model.unet.forward
    monkeypatch.setattr(
        pipe.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    pipe(request(guidance_start=0.2, guidance_end=0.8, num_steps=10))
    assert rows == [1, 1, 2, 2, 2, 2, 2, 2, 1, 1]
    rows.clear()
    pipe(request(guidance_scale=0.0, num_steps=2, scheduler="euler-trailing"))
    assert rows == [1, 1]


def test_an_interval_over_everything_is_guidance_and_over_nothing_is_none(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    full, off = pipe(request()), pipe(request(guidance_scale=1.0))
    half = pipe(request(guidance_end=0.5))
    nothing = pipe(request(guidance_start=0.4, guidance_end=0.41))
    assert largest_difference(nothing.image, off.image) == 0
    assert min(largest_difference(half.image, other.image) for other in (full, off)) > 1


@pytest.mark.parametrize("scheduler", ["euler-trailing", "euler-a", "ddim-trailing", "lcm", "tcd"])
@pytest.mark.parametrize("num_steps", [1, 2])
def test_few_steps_without_guidance(sdxl_folder: Path, scheduler: str, num_steps: int) -> None:
    """As SDXL-Turbo, -Lightning, Hyper-SD and LCM-LoRA are used."""
    asked = request(guidance_scale=0.0, num_steps=num_steps, scheduler=scheduler)
    theirs = by_diffusers(sdxl_folder, asked, "StableDiffusionXLPipeline")
    assert largest_difference(TextToImagePipeline.from_pretrained(sdxl_folder)(asked).image, theirs) <= 1


@pytest.mark.parametrize("guidance_scale", [1.0, 8.5])
def test_latent_consistency_models(lcm_folder: Path, guidance_scale: float) -> None:
    asked = request(guidance_scale=guidance_scale, num_steps=4)
    theirs = by_diffusers(lcm_folder, asked, "LatentConsistencyModelPipeline")
    assert largest_difference(TextToImagePipeline.from_pretrained(lcm_folder)(asked).image, theirs) <= 1


def test_a_latent_consistency_model_takes_the_scale_as_an_input_and_one_row(
    lcm_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = TextToImagePipeline.from_pretrained(lcm_folder, device="cpu")
    rows: list[int] = []
    forward = pipe.model.unet.forward
    monkeypatch.setattr(
        pipe.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    asked = [request(guidance_scale=scale, num_steps=2) for scale in (2.0, 8.0)]
    results = pipe(asked)
    assert rows == [2, 2]
    assert largest_difference(results[0].image, results[1].image) > 1
    for result, alone in zip(results, map(pipe, asked), strict=True):
        assert largest_difference(result.image, alone.image) <= 1
