"""The parameters text of other programs, written, and read back."""

import pytest

from limelight.pipeline import GenerationRequest
from limelight.pipeline.results.foreign.a1111 import record_of
from limelight.pipeline.results.png import parameters_text


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


def test_written_parameters_are_read_back() -> None:
    written = info(
        "a cat, (on a mat:1.2)\nby day", "blurry\nNegative prompt: x", clip_skip=2, hires_scale=2.0
    )
    record = record_of(parameters_text(written))
    assert record["request"].items() <= {**written["request"], "scheduler": "ddim"}.items()
    assert record["request"]["negative_prompt"] == "blurry\nNegative prompt: x"
    assert record["request"]["hires_strength"] == 0.5
    assert record["model"] == {"name": "default", "hash": "0123456789"}
    assert record["ignored"] == {"Hires upscaler": "Lanczos"}


@pytest.mark.parametrize(
    "name", ["a, Seed: 5", "two\nSteps: 9, Seed: 9", 'C:\\a "b".safetensors', '"', "plain-1.5"]
)
def test_a_name_with_marks_is_quoted(name: str) -> None:
    made = info()
    made["model"] = {"name": name, "hash": "0123456789abcdef"}
    text = parameters_text(made)
    assert len(text.split("\n")) == 2
    record = record_of(text)
    assert record["model"]["name"] == name
    assert (record["request"]["seed"], record["request"]["num_steps"]) == (7, 25)


@pytest.mark.parametrize("syntax", ["limelight", "a1111"])
def test_the_syntax_of_a_prompt_is_read_back(syntax: str) -> None:
    text = parameters_text(info(prompt_syntax=syntax))
    assert ("Prompt syntax: a1111" in text) == (syntax == "a1111")
    assert record_of(text)["request"].get("prompt_syntax", "limelight") == syntax
