"""The prompt from an earlier layer of the text encoder, as diffusers' pipelines take it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

REQUEST = GenerationRequest(
    prompt="a red (apple:1.0)",
    negative_prompt="blurry",
    seed=7,
    num_steps=4,
    guidance_scale=5.0,
    width=24,
    height=16,
)


def by_diffusers(folder: Path, kind: str, clip_skip: int | None) -> Image.Image:
    cls = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}[kind]
    pipe = stock_pipeline(cls, folder)
    if not hasattr(pipe.text_encoder, "text_model"):  # where diffusers looks for the final norm
        object.__setattr__(pipe.text_encoder, "text_model", pipe.text_encoder)
    return drawn_by(pipe, replace(REQUEST, prompt="a red apple"), clip_skip=clip_skip)


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


@pytest.fixture(scope="module")
def sdxl(sdxl_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sdxl_folder, device="cpu")


@pytest.mark.parametrize(("kind", "clip_skip"), [("sd", 1), ("sd", 2), ("sdxl", 1), ("sdxl", 2)])
def test_the_picture_is_diffusers(request: pytest.FixtureRequest, kind: str, clip_skip: int) -> None:
    folder = request.getfixturevalue(f"{kind}_folder")
    ours = request.getfixturevalue(kind)(replace(REQUEST, clip_skip=clip_skip))
    theirs = by_diffusers(folder, kind, clip_skip - 1 or None)
    assert largest_difference(ours.image, theirs) <= 1
    assert ours.info["request"]["clip_skip"] == clip_skip


@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_every_layer_of_a_deep_encoder(
    request: pytest.FixtureRequest, deep_text_encoder: Any, clip_skip: int
) -> None:
    for kind, index in (("sd", -clip_skip), ("sdxl", -clip_skip - 1)):
        encoder = replace(request.getfixturevalue(kind).model.text.encoders[0], model=deep_text_encoder)
        ids = torch.tensor([encoder.chunks("a red apple")[0].ids])
        with torch.inference_mode():
            hidden = deep_text_encoder(ids, output_hidden_states=True).hidden_states[index][0]
            expected = hidden if kind == "sdxl" else deep_text_encoder.final_layer_norm(hidden)
        torch.testing.assert_close(encoder.encode("a red apple", clip_skip=clip_skip).context, expected)


@pytest.fixture(scope="module")
def deep_text_encoder() -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=514,
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=5,
        num_attention_heads=2,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    return CLIPTextModel(config).eval()


def test_requests_drawn_together_have_each_their_own(request: pytest.FixtureRequest) -> None:
    pipe = request.getfixturevalue("sd")
    asked = [replace(REQUEST, clip_skip=clip_skip) for clip_skip in (2, 1, 2)]
    first, second, third = (result.image for result in pipe(asked))
    assert largest_difference(first, third) <= 1
    assert largest_difference(first, second) > 1
    for one, alone in ((first, asked[0]), (second, asked[1])):
        assert largest_difference(one, pipe(alone).image) <= 1


def test_a_layer_that_the_model_does_not_have_is_refused(request: pytest.FixtureRequest) -> None:
    for kind in ("sd", "sdxl"):
        with pytest.raises(RequestError, match="clip_skip is 3; must be from 1 to 2 for this model"):
            request.getfixturevalue(kind).engine.plan(replace(REQUEST, clip_skip=3))
    with pytest.raises(RequestError, match="clip_skip is 0; must be from 1 to 100"):
        replace(REQUEST, clip_skip=0)
