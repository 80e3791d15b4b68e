"""Guidance by rows with another self-attention, FreeU and PLADIS: against diffusers' pipelines, in any batch,
and in the record."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.hooks.smoothed_energy_guidance_utils import _gaussian_blur_2d
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.schedulers import make_scheduler
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.sampler import Guidance
from limelight.pipeline.sampling.steering import skipped_sites
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

FREEU = (1.3, 1.4, 0.9, 0.2)
WAYS: dict[str, dict[str, Any]] = {
    "pag": {"pag_scale": 3.0},
    "seg": {"seg_scale": 3.0},
    "freeu": {"freeu": FREEU},
    "pladis": {"pladis": 2.0},
    "all": {"pag_scale": 2.0, "seg_scale": 1.0, "freeu": FREEU, "pladis": 1.5},
}


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": "an apple and a dog", "seed": 3, "num_steps": 4, "width": 16, "height": 16}
    return GenerationRequest(**(given | fields))


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


class Blurred:
    """A processor of diffusers' that gives the last of `parts` of the rows the queries of SEG."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def __call__(self, attn: Any, hidden_states: Tensor, **unused: Any) -> Tensor:
        q, k, v = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        rows = len(q) // self.parts
        # Below its limit, its blur takes the mean; above, which should do so, a Gaussian.
        q[-rows:] = _gaussian_blur_2d(q[-rows:], 7, 1.0, 9999.0)
        q, k, v = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in (q, k, v))
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))


@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
@pytest.mark.parametrize("way", ["pag", "seg"])
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_perturbed_guidance_is_diffusers(
    sd_folder: Path, sdxl_folder: Path, family: str, way: str, guidance_scale: float
) -> None:
    folder = {"sd": sd_folder, "sdxl": sdxl_folder}[family]
    asked = request(guidance_scale=guidance_scale, negative_prompt="grey", **WAYS[way])
    ours = TextToImagePipeline.from_pretrained(folder, device="cpu")
    cls = "StableDiffusionPAGPipeline" if family == "sd" else "StableDiffusionXLPAGPipeline"
    pipe = stock_pipeline(cls, folder)
    pipe.scheduler = make_scheduler("model", pipe.scheduler.config)
    if way == "pag":
        pipe.set_pag_applied_layers("mid")
    else:
        pipe.set_pag_applied_layers("mid", (Blurred(3), Blurred(2)))
    theirs = drawn_by(pipe, asked, pag_scale=3.0)
    picture = ours(asked).image
    assert largest_difference(picture, theirs) <= 1
    assert largest_difference(picture, ours(request(guidance_scale=guidance_scale)).image) > 1


def test_freeu_is_diffusers(sd: TextToImagePipeline, sd_folder: Path) -> None:
    asked = request(**WAYS["freeu"])
    pipe = stock_pipeline("StableDiffusionPipeline", sd_folder)
    pipe.scheduler = make_scheduler("model", pipe.scheduler.config)
    pipe.enable_freeu(b1=1.3, b2=1.4, s1=0.9, s2=0.2)
    assert largest_difference(sd(asked).image, drawn_by(pipe, sd.engine.resolve(asked))) <= 1
    assert largest_difference(sd(asked).image, sd(request()).image) > 1


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_is_the_same_in_any_company_and_from_its_record(
    sd: TextToImagePipeline, way: str, tmp_path: Path
) -> None:
    asked = request(paint=("apple@0,0,0.5,1",), **WAYS[way])
    others = [request(seed=9), request(prompt="a BREAK b", guidance_end=0.5, pag_scale=1.0)]
    alone = sd(asked)
    for result, other in zip(sd([others[0], asked, others[1]]), [others[0], asked, others[1]], strict=True):
        assert largest_difference(result.image, sd(other).image) <= 1
    assert largest_difference(alone.image, sd(request(paint=("apple@0,0,0.5,1",))).image) > 1
    again = request_of(read_record(alone.save(tmp_path / "a.png")))
    assert largest_difference(sd(again).image, alone.image) == 0


def test_by_default_there_is_no_additional_row_and_each_kind_of_guidance_adds_one(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    forward = sd.model.unet.forward
    monkeypatch.setattr(
        sd.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    for fields, expected in (({}, 2), (WAYS["pag"], 3), (WAYS["all"], 4), (WAYS["freeu"], 2)):
        rows.clear()
        sd(request(**fields))
        assert set(rows) == {expected}


def test_rows_are_led_away_from_the_prompts() -> None:
    guidance = Guidance(scale=3.0, perturbed={"pag": 2.0, "seg": 0.5})
    roles = guidance.roles(acts=True)
    assert roles == ["negative", "pag", "seg", "prompt"]
    rows = torch.tensor([1.0, 2.0, 3.0, 5.0]).view(4, 1, 1, 1)
    assert guidance.combine(rows, roles).item() == 1 + 3 * (5 - 1) + 2 * (5 - 2) + 0.5 * (5 - 3)
    assert guidance.combine(rows[1:], guidance.roles(acts=False)).item() == 5 + 2 * (5 - 2) + 0.5 * (5 - 3)


def test_maps_are_those_of_prompt_and_negative_prompt_alone(sd: TextToImagePipeline) -> None:
    fields = {"record": "grid", "record_extras": ("negative",), "num_steps": 1, "negative_prompt": "grey"}
    plain, perturbed = sd(request(**fields)), sd(request(**fields, **WAYS["pag"]))
    assert plain.maps is not None and perturbed.maps is not None
    for one, other in ((plain.maps, perturbed.maps), (plain.maps.of_negative, perturbed.maps.of_negative)):
        assert one is not None and other is not None
        assert abs(one.token(3) - other.token(3)).max() <= 1e-6


def test_self_attention_is_perturbed_in_the_middle(sd: TextToImagePipeline) -> None:
    names = skipped_sites(sd.model.unet)
    assert names and all(name.startswith("mid_block.") and name.endswith("attn1") for name in names)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pag_scale": float("nan")}, "pag_scale is nan; must be a finite number"),
        ({"pag_scale": 1e6}, "pag_scale is 1000000.0; must be from 0 to 20"),
        ({"freeu": (1, 2)}, "freeu has 2 numbers; write b1,b2,s1,s2, each 0 to 3"),
        ({"freeu": "1,2,x,1"}, "freeu is 'x'; must be a number; write b1,b2,s1,s2, each 0 to 3"),
        ({"freeu": (1, 2, 3, 4)}, "s2 of freeu is 4; must be from 0 to 3"),
        ({"pladis": -1}, "pladis is -1; must be from 0 to 4"),
    ],
)
def test_impossible_values_are_refused_with_a_message(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**fields)
    assert words in str(refusal.value)
