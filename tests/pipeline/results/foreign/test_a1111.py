"""The parameters text of AUTOMATIC1111's web UI and its like, as it is read."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limelight.pipeline import GenerationRequest
from limelight.pipeline.results.foreign.a1111 import record_of, settings_of
from limelight.pipeline.results.foreign.fields import BadParameters

THEIRS = """masterpiece, <lora:toys:0.8> a (red:1.1) apple,
on a table
Negative prompt: blurry, <hypernet:bad:1>
worst quality
Steps: 30, Sampler: DPM++ 2M, Schedule type: Automatic, CFG scale: 6.5, Seed: 123456, Size: 512x768, \
Model hash: 6ce0161689, Model: v1-5-pruned, VAE: some.pt, Denoising strength: 0.7, Clip skip: 2, \
Hires upscale: 1.5, Hires steps: 12, Hires upscaler: "Latent (a, b)", Lora hashes: "toys: 12ab", \
Version: v1.9.4"""


def test_automatic1111s_settings_are_converted_as_far_as_possible() -> None:
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
        "prompt_syntax": "a1111",
    }
    assert record["model"] == {"name": "v1-5-pruned", "hash": "6ce0161689"}
    assert record["version"] == "v1.9.4"
    assert record["ignored"] == {
        "<lora:toys:0.8>": "to draw with it, give its file: --lora toys.safetensors:0.8",
        "<hypernet:bad:1>": "hypernetworks cannot be used here",
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
        ("Sampler: DPM2, Schedule type: Karras", "dpm2"),  # without Karras' sigmas, which is said
        ("Sampler: Euler Ancestral Karras", "euler-a"),
        ("sampler: k_euler_a", "euler-a"),
        ("Sampler: dpmpp_2m_karras", "dpm++2m-karras"),
        ("Sampler: DPM fast", None),
    ],
)
def test_samplers_are_converted_or_named(settings: str, scheduler: str | None) -> None:
    record = record_of(f"a cat\nSteps: 20, Seed: 1, {settings}")
    assert record["request"].get("scheduler") == scheduler
    assert ("Sampler" in record["ignored"]) == (scheduler is None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not end in a line with Steps and Seed"),
        ("a cat", "does not end in a line with Steps and Seed"),
        ("a cat\nSteps: many, Seed: 1", "have Steps: 'many', which is no number"),
        ("a cat\nSteps: 2, Seed: 1, Size: 512", "have Size: '512', which is no size such as 512x768"),
        ("a cat\nSteps: 2, Seed: 1, Clip skip: 1.5", "have Clip skip: '1.5', which is no number"),
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


def request_in(settings: str) -> dict[str, object]:
    return record_of(f"a cat\nSteps: 20, Seed: 1, {settings}")["request"]


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ("CFG Scale: 6.5", "guidance_scale", 6.5),
        ("cfg scale: 6.5", "guidance_scale", 6.5),
        ("Hires scale: 2", "hires_scale", 2),
        ("Hires Upscale: 1.5", "hires_scale", 1.5),
        ("Clip Skip: 2", "clip_skip", 2),
        ("Size: 512 x 768", "height", 768),
        ("Seed: 18446744073709551615", "seed", 2**64 - 1),
    ],
)
def test_a_setting_may_be_spelt_otherwise(settings: str, field: str, value: object) -> None:
    assert request_in(settings)[field] == value


def test_a_schedule_that_a_sampler_does_not_have_is_named() -> None:
    record = record_of("a cat\nSteps: 20, Seed: 1, Sampler: Euler Ancestral Karras")
    assert record["ignored"] == {"Schedule type": "Karras"}


def test_templates_behind_the_settings_are_no_prompts() -> None:
    settings = "Steps: 3, Seed: 7, Model: m\nTemplate: a {{red|blue}}\nof two\nNegative Template: b"
    text = f"a {{}}\nNegative prompt: b\n{settings}"
    record = record_of(text)
    assert (record["request"]["prompt"], record["request"]["negative_prompt"]) == ("a {}", "b")
    assert record["ignored"] == {"Template": "a {{red|blue}} of two", "Negative Template": "b"}


@pytest.mark.parametrize(
    ("settings", "strength", "first", "final"),
    [
        ("Size: 512x512, Denoising strength: 0.7", 0.7, (512, 512), (512, 512)),
        ("Size: 512x512, Hires resize: 1024x1024, Denoising strength: 0.5", None, (512, 512), (1024, 1024)),
        ("Size: 512x512, Hires resize: 1024x0, Denoising strength: 0.5", None, (512, 512), (1024, 1024)),
        ("Size: 512x512, Hires resize: 1024x768", None, (512, 512), (512, 512)),  # another shape, said
        ("Size: 1024x768, First pass size: 512x384, Denoising strength: 0.7", None, (512, 384), (1024, 768)),
        ("Size: 512x512, First pass size: 0x0, Denoising strength: 0.7", 0.7, (512, 512), (512, 512)),
    ],
)
def test_second_passes_of_all_versions(
    settings: str, strength: float | None, first: tuple[int, int], final: tuple[int, int]
) -> None:
    fields = request_in(settings)
    assert fields.pop("strength", None) == strength
    request = GenerationRequest(**fields)
    assert ((request.width, request.height), request.final_size) == (first, final)


def test_settings_with_commas_and_quotes() -> None:
    assert settings_of('A: 1, B: "x, C: 2", Model: one, two, D: "no end, E: 5, F:"x"') == {
        "A": "1",
        "B": "x, C: 2",
        "Model": "one, two",
        "D": '"no end',
        "E": "5",
        "F": "x",
    }
    quoted = json.dumps('a "b", \\ c\nd: e', ensure_ascii=False)
    assert settings_of(f"A: {quoted}, B: 2") == {"A": 'a "b", \\ c\nd: e', "B": "2"}


@pytest.mark.parametrize(
    "piece",
    ["a", "a ", " ", ":", ",", '"', "\\", 'a: "', 'a: "\\"', "Steps: 1, Seed: 1, ", "<a:", "a:,", "\n"],
)
def test_reading_is_linear(piece: str) -> None:
    text = "x\n" + piece * (500_000 // len(piece))
    started = time.process_time()
    for each in (text, f"{text}\nSteps: 1, Seed: 1, {piece * 10_000}"):
        try:
            record_of(each)
        except BadParameters:
            pass
    assert time.process_time() - started < 5  # 500,000 characters squared are hours
