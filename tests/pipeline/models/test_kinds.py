"""Requests of all kinds in one batch: each picture and its maps are as if drawn alone; and refusals of
models."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, Result, TextToImagePipeline
from limelight.pipeline.errors import ModelError, NonFinitePicture, RequestError
from limelight.pipeline.models.model import kind_of


def picture(seed: int = 0, width: int = 24, height: int = 16) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def mask(width: int = 24, height: int = 16) -> Image.Image:
    image = Image.new("L", (width, height))
    image.paste(255, (width // 3, height // 4, width - 4, height))
    return image


def request(**fields: object) -> GenerationRequest:
    values = {"prompt": "a red apple", "seed": 3, "num_steps": 5, "width": 24, "height": 16}
    return GenerationRequest(**(values | fields))


def assert_same_picture(a: Result, b: Result) -> None:
    assert a.image.size == b.image.size
    assert np.abs(np.asarray(a.image, dtype=int) - np.asarray(b.image, dtype=int)).max() <= 1


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


DRAWN = {
    "text": {},
    "unguided": {"guidance_scale": 1.0, "scheduler": "euler-trailing"},
    "interval": {"guidance_start": 0.2, "guidance_end": 0.6, "prompt": "a cat BREAK a dog"},
    "rescaled": {"guidance_rescale": 0.7, "negative_prompt": "blurry"},
    "image": {"image": picture(1), "strength": 0.6},
    "masked": {"image": picture(2), "mask": mask(), "scheduler": "dpm++2m"},
    "hires": {"hires_scale": 2, "scheduler": "euler-a"},
    "as large as hires": {"width": 48, "height": 32},
    "image and hires": {"image": picture(3), "hires_scale": 1.5, "hires_strength": 0.4},
}


def test_requests_of_all_kinds_are_the_same_in_one_batch(sd: TextToImagePipeline) -> None:
    asked = [request(**fields) for fields in DRAWN.values()]
    for result, alone in zip(sd(asked), map(sd, asked), strict=True):
        assert_same_picture(result, alone)


@pytest.mark.parametrize("kind", ["edit", "inpaint"])
def test_requests_for_models_with_more_channels_are_the_same_in_one_batch(
    kind: str, edit_folder: Path, inpaint_folder: Path
) -> None:
    folder, extra = (edit_folder, {}) if kind == "edit" else (inpaint_folder, {"mask": mask()})
    pipe = TextToImagePipeline.from_pretrained(folder, device="cpu", max_rows=7)
    fields = [
        {"image": picture(1)},
        {"image": picture(2), "guidance_scale": 1.0},
        {"image": picture(3), "guidance_end": 0.5, "scheduler": "euler"},
        {"image": picture(4), "prompt": "a cat BREAK a dog", "negative_prompt": "blurry"},
    ]
    asked = [request(**extra, **f) for f in fields]
    for result, alone in zip(pipe(asked), map(pipe, asked), strict=True):
        assert_same_picture(result, alone)


@pytest.mark.parametrize("name", DRAWN)
def test_recording_changes_no_pixel_and_covers_every_token(sd: TextToImagePipeline, name: str) -> None:
    plain, recorded = sd([request(**DRAWN[name]), request(**DRAWN[name], record="site")])
    assert_same_picture(plain, recorded)
    assert recorded.maps is not None
    total = recorded.maps.probabilities().sum(0)
    torch.testing.assert_close(total, torch.ones_like(total))
    width, height = recorded.image.size
    assert recorded.maps.word(recorded.maps.words()[1].text).shape == (height, width)


def test_maps_are_of_the_prompts_row_whatever_rows_stand_before_it(
    sd: TextToImagePipeline, edit_folder: Path, inpaint_folder: Path
) -> None:
    """The first prediction sees the same latent with and without guidance."""
    edit, inpaint = (
        TextToImagePipeline.from_pretrained(f, device="cpu") for f in (edit_folder, inpaint_folder)
    )
    for pipe, fields in (
        (sd, {}),
        (sd, {"image": picture(), "strength": 0.6}),
        (inpaint, {"image": picture(), "mask": mask()}),
        (edit, {"image": picture()}),
    ):
        results = [
            pipe(request(**fields, **guidance, negative_prompt="x", record=True))
            for guidance in ({}, {"guidance_scale": 1.0}, {"guidance_start": 0.5})
        ]
        first = [result.maps.step(0).probabilities() for result in results]
        for other in first[1:]:
            torch.testing.assert_close(other, first[0])


def test_maps_of_two_passes_are_those_of_the_first(sd: TextToImagePipeline) -> None:
    one, two = sd(request(record=True)), sd(request(record=True, hires_scale=2))
    assert len(two.maps.recording.steps) == len(one.maps.recording.steps) == 5
    torch.testing.assert_close(two.maps.probabilities(), one.maps.probabilities())
    assert two.maps.size == (32, 48)


def test_two_passes_count_as_one_picture(sd: TextToImagePipeline) -> None:
    steps = list(sd.stream([request(hires_scale=2, hires_strength=0.4)]))
    assert [(step.index, step.count) for step in steps] == [(i, 7) for i in range(1, 8)]
    assert [step.preview().size for step in steps if step.preview][::6] == [(24, 16), (48, 32)]


def test_an_ordered_backend_serves_both_passes(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", attention="math")
    info = pipe(request(hires_scale=2)).info
    assert info["attention"] == {"cross": ["math (math)"], "self": ["math (math)"]}
    assert set(pipe.engine._plans) == {(8, 12), (16, 24)}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        ("edit", {}, "image is missing; this model edits images: give one"),
        (
            "edit",
            {"image": picture(), "strength": 0.5},
            "strength is given; this model edits whole images in one pass: leave it out",
        ),
        (
            "edit",
            {"image": picture(), "mask": mask()},
            "mask is given; this model edits whole images in one pass: leave it out",
        ),
        (
            "edit",
            {"image": picture(), "hires_scale": 2},
            "hires_scale is given; this model edits whole images in one pass: leave it out",
        ),
        (
            "inpaint",
            {"image": picture()},
            "mask is missing; this model draws into the masked part of an image: give both",
        ),
        (
            "draw",
            {"image": picture(), "image_guidance_scale": 2.0},
            "image_guidance_scale is 2.0; this model does not edit images "
            "(InstructPix2Pix and its like do): leave it out",
        ),
        (
            "draw",
            {"scheduler": "lcm", "num_steps": 51},
            "num_steps is 51; the scheduler 'lcm' takes at most 50 with this model",
        ),
        (
            "draw",
            {"scheduler": "ddim", "num_steps": 1000},
            "num_steps is 1000; the scheduler 'ddim' takes at most 999 with this model",
        ),
    ],
)
def test_a_model_refuses_what_it_cannot_do_before_it_draws(
    kind: str,
    fields: dict[str, object],
    message: str,
    sd_folder: Path,
    edit_folder: Path,
    inpaint_folder: Path,
) -> None:
    folder = {"draw": sd_folder, "edit": edit_folder, "inpaint": inpaint_folder}[kind]
    pipe = TextToImagePipeline.from_pretrained(folder, device="cpu")
    with pytest.raises(RequestError) as refusal:
        pipe.engine.plan(request(**fields))
    assert str(refusal.value) == message


def test_a_u_net_with_other_channels_is_refused_before_it_is_built(make_sd: Callable[..., Path]) -> None:
    message = (
        "the U-Net takes 5 channels; supported are 4 (latent), 9 (with mask and masked image) "
        "and 8 (with image)"
    )
    with pytest.raises(ModelError) as refusal:
        TextToImagePipeline.from_pretrained(make_sd(in_channels=5), device="cpu")
    assert str(refusal.value) == message
    assert kind_of(33, 16) == "inpaint"


def test_an_image_that_the_vae_cannot_read_stops_that_request_alone(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    with torch.no_grad():
        pipe.model.vae.encoder.conv_out.bias.fill_(torch.inf)
    asked = [request(image=picture()), request(hires_scale=2, seed=4), request()]
    steps = list(pipe.stream(asked))
    errors = {step.id: step.error for step in steps if step.error}
    assert sorted(errors) == [0, 1]
    for error in errors.values():
        assert isinstance(error, NonFinitePicture)
        assert str(error) == (
            "the VAE returned NaN or infinity for the image in float32; "
            "nothing was saved (load the model in float32)"
        )
    assert [step.id for step in steps if step.result] == [2]
