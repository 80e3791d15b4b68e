"""The parameters text of other programs, written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limelight.pipeline import GenerationRequest
from limelight.pipeline.results.a1111 import BadParameters, parameters_text, record_of


def info(prompt: str = "a red apple", negative_prompt: str = "", **fields: object) -> dict[str, object]:
    request = GenerationRequest(
        prompt=prompt, negative_prompt=negative_prompt, seed=7, width=64, height=48, **fields
    )
    return {
        "limelight": "1.2",
        "request": request.resolved(width=0, height=0, guidance_scale=4.0, scheduler="ddim").to_dict(),
        "model": {"name": "default", "hash": "0123456789abcdef"},
    }


def test_the_parameters_are_those_of_other_programs() -> None:
    assert parameters_text(info("a cat\n<lora>", "blurry")) == (
        "a cat\n<lora>\nNegative prompt: blurry\n"
        "Steps: 25, Sampler: DDIM, CFG scale: 4, Seed: 7, Size: 64x48, "
        "Model hash: 0123456789, Model: default, Version: Limelight 1.2"
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"strength": 0.75}, "Denoising strength: 0.75, Model hash"),
        ({"hires_scale": 2.0, "hires_strength": 0.5}, "Denoising strength: 0.5, Hires upscale: 2, Hires up"),
        ({"scheduler": "dpm++2m-karras"}, "Sampler: DPM++ 2M Karras, CFG"),
        ({"scheduler": "model"}, "Sampler: model, CFG"),
    ],
)
def test_the_parameters_have_other_programs_names(fields: dict[str, object], text: str) -> None:
    made = info()
    assert text in parameters_text(made | {"request": made["request"] | fields})


def test_what_is_written_is_read() -> None:
    written = info(
        "a cat, (on a mat:1.2)\nby day", "blurry\nNegative prompt: x", clip_skip=2, hires_scale=2.0
    )
    record = record_of(parameters_text(written))
    assert record["request"].items() <= {**written["request"], "scheduler": "ddim"}.items()
    assert record["request"]["negative_prompt"] == "blurry\nNegative prompt: x"
    assert record["request"]["hires_strength"] == 0.5
    assert record["model"] == {"name": "default", "hash": "0123456789"}
    assert record["ignored"] == {"Hires upscaler": "Lanczos"}


THEIRS = """masterpiece, <lora:toys:0.8> a (red:1.1) apple,
on a table
Negative prompt: blurry, <hypernet:bad:1>
worst quality
Steps: 30, Sampler: DPM++ 2M, Schedule type: Automatic, CFG scale: 6.5, Seed: 123456, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5-pruned, VAE: some.pt, Denoising strength: 0.7, Clip skip: 2, \
Hires upscale: 1.5, Hires steps: 12, Hires upscaler: "Latent (a, b)", Lora hashes: "toys: 12ab", \
Version: v1.9.4"""


def test_what_automatic1111_writes_is_taken_over_as_far_as_it_can_be() -> None:
    record = record_of(THEIRS)
    assert record["request"] == {
        "prompt": "masterpiece,  a (red:1.1) apple,\non a table",
        "negative_prompt": "blurry, \nworst quality",
        "num_steps": 30,
        "scheduler": "dpm++2m-karras",
        "guidance_scale": 6.5,
        "seed": 123456,
        "width": 512,
        "height": 768,
        "clip_skip": 2,
        "hires_scale": 1.5,
        "hires_strength": 0.7,
    }
    assert record["model"] == {"name": "v1-5-pruned", "hash": "6ce0161689"}
    assert record["version"] == "v1.9.4"
    assert record["ignored"] == {
        "<lora:toys:0.8>": "a file of its own; give it with --lora",
        "<hypernet:bad:1>": "a kind of file that is not supported",
        "VAE": "some.pt",
        "Hires steps": "12",
        "Hires upscaler": "Latent (a, b)",
        "Lora hashes": "toys: 12ab",
    }
    assert GenerationRequest(**record["request"]).final_size == (768, 1152)


@pytest.mark.parametrize(
    ("settings", "scheduler"),
    [
        ("Sampler: DPM++ 2M Karras", "dpm++2m-karras"),
        ("Sampler: DPM++ 2M", "dpm++2m"),
        ("Sampler: Euler, Schedule type: Karras", "euler-karras"),
        ("Sampler: Euler a, Schedule type: Automatic", "euler-a"),
        ("Sampler: DPM2, Schedule type: Automatic", None),  # with Karras' sigmas there, which is none here
        ("Sampler: DPM fast", None),
    ],
)
def test_samplers_are_taken_over_or_named(settings: str, scheduler: str | None) -> None:
    record = record_of(f"a cat\nSteps: 20, Seed: 1, {settings}")
    assert record["request"].get("scheduler") == scheduler
    assert ("Sampler" in record["ignored"]) == (scheduler is None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not end in a line with Steps and Seed"),
        ("a cat", "does not end in a line with Steps and Seed"),
        ("a cat\nSteps: many, Seed: 1", "have Steps: 'many', which is no number"),
        ("a cat\nSteps: 2, Seed: 1, Size: 512", "have Size: '', which is no number"),
    ],
)
def test_another_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadParameters, match=message):
        record_of(text)


@given(st.text(alphabet='a:,"\\\n Steps', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        record_of(f"a\nSteps: 1, Seed: 1, {text}")
    except BadParameters:
        pass
