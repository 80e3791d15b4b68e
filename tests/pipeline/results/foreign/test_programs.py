"""Pictures of every program whose record is read, in the shape that it writes."""

import io
import json
from typing import Any

import pytest

from limelight.pipeline.results.png import NoRecord, read_record, request_of
from tests.pipeline.results.foreign.pictures import png_of, saved

PLAIN = {"prompt": "a red apple", "negative_prompt": "blurry", "seed": 77, "num_steps": 3}
SIZED = PLAIN | {"guidance_scale": 4.5, "width": 64, "height": 48, "scheduler": "euler-a"}


def comfyui(**changes: Any) -> dict[str, Any]:
    sampler = {
        "seed": 77,
        "steps": 3,
        "cfg": 4.5,
        "sampler_name": "euler_ancestral",
        "scheduler": "normal",
        "denoise": 1.0,
        "model": ["4", 0],
        "positive": ["6", 0],
        "negative": ["7", 0],
        "latent_image": ["5", 0],
    }
    return {
        "3": {"class_type": "KSampler", "inputs": sampler | changes},
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "v1-5.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 48, "batch_size": 1}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red apple", "clip": ["4", 1]}},
        "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    }


def second_pass() -> dict[str, Any]:
    """A graph whose first node goes over another's picture again; seed and prompt come from nodes."""
    graph = comfyui(seed=["20", 0], positive=["21", 0])
    again = comfyui(latent_image=["22", 0], steps=9, denoise=0.5)["3"]
    return {
        "1": again,
        **graph,
        "20": {"class_type": "PrimitiveInt", "inputs": {"value": 77}},
        "21": {"class_type": "ConditioningConcat", "inputs": {"conditioning_to": ["6", 0]}},
        "22": {"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0], "width": 128, "height": 96}},
    }


SWARM = {
    "sui_image_params": {
        "prompt": "a red apple",
        "negativeprompt": "blurry",
        "model": "v1-5",
        "seed": 77,
        "steps": 3,
        "cfgscale": 4.5,
        "width": 64,
        "height": 48,
        "sampler": "euler_ancestral",
        "swarm_version": "0.9.2",
    },
    "sui_extra_data": {"date": "2025-01-01"},
}
RUINED = {
    "Prompt": "a red apple",
    "Negative": "blurry",
    "steps": 3,
    "cfg": 4.5,
    "width": 64,
    "height": 48,
    "seed": 77,
    "sampler_name": "euler_ancestral",
    "scheduler": "normal",
    "base_model_name": "v1-5",
    "base_model_hash": "ab12",
    "loras": [],
    "software": "RuinedFooocus",
}
FOOOCUS = {
    "prompt": "a red apple",
    "negative_prompt": "blurry",
    "steps": 3,
    "guidance_scale": 4.5,
    "seed": 77,
    "resolution": "(64, 48)",
    "sampler": "euler_ancestral",
    "scheduler": "normal",
    "base_model": "v1-5",
    "base_model_hash": "ab12",
    "sharpness": 2.0,
    "performance": "Speed",
    "version": "Fooocus v2.5.0",
}
SPACE = {
    "prompt": "a red apple",
    "negative_prompt": "blurry",
    "resolution": "64 x 48",
    "guidance_scale": 4.5,
    "num_inference_steps": 3,
    "seed": 77,
    "sampler": "Euler a",
    "use_upscaler": None,
    "Model": {"Model": "v1-5", "Model hash": "ab12"},
}
INVOKE = {
    "app_version": "4.2.0",
    "positive_prompt": "a red apple",
    "negative_prompt": "blurry",
    "width": 64,
    "height": 48,
    "seed": 77,
    "cfg_scale": 4.5,
    "steps": 3,
    "scheduler": "euler_a",
    "model": {"name": "v1-5", "hash": "ab12"},
}
OLD_INVOKE = {
    "model_weights": "v1-5",
    "app_version": "2.3.0",
    "image": {
        "prompt": [{"prompt": "a red apple", "weight": 1.0}],
        "steps": 3,
        "cfg_scale": 4.5,
        "seed": 77,
        "sampler": "k_euler_a",
        "width": 64,
        "height": 48,
    },
}
NOVEL = {
    "steps": 3,
    "sampler": "k_euler_ancestral",
    "seed": 77,
    "scale": 4.5,
    "uc": "blurry",
    "width": 64,
    "height": 48,
    "noise_schedule": "native",
}


def text(value: object) -> str:
    return json.dumps(value)


CASES: dict[str, tuple[bytes, str, str]] = {
    "ComfyUI": (png_of(prompt=text(comfyui()), workflow="{}"), "ComfyUI", "v1-5.safetensors"),
    "ComfyUI, two passes": (png_of(prompt=text(second_pass())), "ComfyUI", "v1-5.safetensors"),
    "ComfyUI, WebP": (
        saved("WEBP", b"", make="workflow:{}", model="prompt:" + text(comfyui())),
        "ComfyUI",
        "v1-5.safetensors",
    ),
    "SwarmUI": (png_of(parameters=text(SWARM)), "SwarmUI", "v1-5"),
    "SwarmUI, JPEG": (saved("JPEG", b"UNICODE\0" + text(SWARM).encode("utf-16-le")), "SwarmUI", "v1-5"),
    "RuinedFooocus": (png_of(parameters=text(RUINED)), "RuinedFooocus", "v1-5"),
    "Fooocus": (png_of(parameters=text(FOOOCUS), fooocus_scheme="fooocus"), "Fooocus", "v1-5"),
    "a Space": (png_of(parameters=text(SPACE)), "another program, in JSON,", "v1-5"),
    "InvokeAI": (png_of(invokeai_metadata=text(INVOKE)), "InvokeAI", "v1-5"),
    "InvokeAI 2": (png_of(sd_dash_metadata=text(OLD_INVOKE)), "InvokeAI", "v1-5"),
    "NovelAI": (
        png_of(Software="NovelAI", Description="a red apple", Source="Stable Diffusion", Comment=text(NOVEL)),
        "NovelAI",
        "unknown",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_picture_of_every_program_is_read(name: str) -> None:
    data, program, model = CASES[name]
    record = read_record(io.BytesIO(data), name="it")
    assert (record["program"], record["model"]["name"]) == (program, model)
    expected = SIZED if name != "InvokeAI 2" else {**SIZED, "negative_prompt": ""}
    request = request_of(record).to_dict()
    assert {field: request[field] for field in expected} == expected
    assert request["prompt_syntax"] == "limelight"


def test_settings_without_a_counterpart_are_named() -> None:
    assert read_record(io.BytesIO(CASES["Fooocus"][0]), name="it")["ignored"] == {
        "sharpness": "2.0",
        "performance": "Speed",
        "version": "Fooocus v2.5.0",
    }
    assert read_record(io.BytesIO(CASES["ComfyUI, two passes"][0]), name="it")["ignored"] == {
        "node 1": "KSampler"
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_of(parameters="{"), "the record of parameters is not valid JSON"),
        (png_of(parameters='{"a": ' + "[" * 50_000), "is not valid JSON"),
        (png_of(parameters='{"seed": ' + "9" * 5000 + "}"), "is not valid JSON"),
        (png_of(parameters='{"mood": 1}'), "has no prompt; its settings are mood"),
        (png_of(parameters='{"prompt": "a", "seed": {}}'), "have seed: '{}', which is no number"),
        (png_of(parameters='{"prompt": ["a"]}'), "have prompt: 'list', which is no text"),
        (png_of(prompt='{"1": {"class_type": "Flux", "inputs": {}}}'), "its nodes are Flux"),
        (png_of(prompt=text(comfyui(positive=["9", 0]))), "comes from a node none, which has no text"),
        (png_of(workflow="{}"), "ComfyUI's workflow as it was edited, without the graph"),
        (png_of(Dream='"a cat" -s 50'), "of InvokeAI's first versions, whose command line is not read here"),
        (png_of(invokeai_metadata="[]"), "must be an object of JSON"),
        (png_of(Comment="hello"), "no record of a program that is known here .*leave it out when they save"),
    ],
)
def test_the_message_about_an_unreadable_record_names_its_kind(data: bytes, message: str) -> None:
    with pytest.raises(NoRecord, match=message):
        read_record(io.BytesIO(data), name="it")


def test_a_graph_that_goes_in_circles_ends() -> None:
    graph = comfyui(positive=["6", 0])
    graph["6"]["inputs"] = {"conditioning": ["9", 0]}
    graph["9"] = {"class_type": "Loop", "inputs": {"conditioning": ["6", 0], "self": ["9", 0]}}
    with pytest.raises(NoRecord, match="comes from a node CLIPTextEncode"):
        read_record(io.BytesIO(png_of(prompt=text(graph))), name="it")
