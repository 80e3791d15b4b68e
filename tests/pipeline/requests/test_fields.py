"""The table of fields is complete, and the only file that defines them."""

import ast
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Unpack, get_overloads, get_type_hints

import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.fields import FIELDS, IMAGES, RequestFields, offered
from limelight.pipeline.requests.fields.hints import UnknownField, check_names
from limelight.pipeline.requests.request import GenerationRequest
from tests.pipeline.requests.used import USED

ROOT = Path(__file__).parents[3]
_NAMES = (
    "pipeline/results/foreign/",
    "pipeline/batch/rows/names.py",
    "pipeline/batch/rows/txt_cells.py",
)  # others'


def named(source: str) -> set[str]:
    """The fields that a module names: of a request, in making one, or as text."""
    found: set[str | None] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _name(node.value) in ("request", "resolved", "asked"):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and _name(node.func) in ("GenerationRequest", "replace", "Settings"):
            found |= {keyword.arg for keyword in node.keywords}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return {name for name in found if name in FIELDS}


def _name(node: ast.expr) -> str:
    return str(getattr(node, "attr", getattr(node, "id", "")))


def test_a_field_is_named_outside_its_table_only_where_it_is_used() -> None:
    assert named("replace(request, seed=job.request.width); x = 'mask'; y = other.height") == {
        "seed",
        "width",
        "mask",
    }
    found: dict[str, list[str]] = {}
    for package in ("pipeline", "app"):
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if not where.startswith(("pipeline/requests/", *_NAMES)):
                for name in named(path.read_text()):
                    found.setdefault(name, []).append(where)
    beyond = {name: sorted(set(files) - set(USED[name])) for name, files in found.items()}
    assert {name: files for name, files in beyond.items() if files} == {}


def test_table_request_and_types_have_the_same_fields() -> None:
    types = get_type_hints(GenerationRequest)
    assert list(FIELDS) == [field.name for field in fields(GenerationRequest)]
    assert set(USED) == set(FIELDS)
    assert get_type_hints(RequestFields) == {name: types[name] for name in FIELDS if name != "prompt"}
    first, *_ = get_overloads(TextToImagePipeline.__call__)
    assert first.__annotations__["fields"] == Unpack[RequestFields]


@pytest.mark.parametrize("name", FIELDS)
def test_an_entry_fits_its_field(name: str) -> None:
    entry = FIELDS[name]
    default = next(field.default for field in fields(GenerationRequest) if field.name == name)
    if name != "prompt" and default is not None:
        assert entry.value.check(name, default) == default
    assert entry.label and entry.help and not entry.help.endswith(".")
    assert entry.needs in ("", *FIELDS)
    assert not (entry.is_off_at_0 and default is not None)


def test_untrusted_input_sets_no_file() -> None:
    assert not offered().keys() & IMAGES.keys()
    assert {"prompt", "seed", "num_steps"} < offered().keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("num_inference_steps", "unknown field 'num_inference_steps'; here it is num_steps"),
        ("mask_image", "unknown field 'mask_image'; here it is mask"),
        ("steps", "unknown field 'steps'; here it is num_steps"),
        ("guidance_sclae", "unknown field 'guidance_sclae'; here it is guidance_scale"),
        ("generator", "generator is an argument of diffusers, not a field of a request: set seed=NUMBER"),
        ("num_images_per_prompt", "pass GenerationRequest(prompt=...).repeated(COUNT)"),
        ("cross_attention_kwargs", "set the weight of a LoRA with pipe.load_lora(path, weight)"),
        ("foo", "unknown field 'foo'; valid: prompt, negative_prompt, seed, "),
    ],
)
def test_a_name_of_other_programs_gets_our_name_as_a_hint(name: str, message: str) -> None:
    with pytest.raises(UnknownField) as refusal:
        check_names({"seed": 1, name: 5})
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "pipeline",
    [
        *("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"),
        *(
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
        ),
        *("StableDiffusionInstructPix2PixPipeline", "LatentConsistencyModelPipeline"),
    ],
)
def test_every_argument_of_diffusers_pipelines_is_a_field_or_answered(pipeline: str) -> None:
    import diffusers

    known = {*FIELDS, *(field.diffusers for field in FIELDS.values())}
    for name in set(signature(getattr(diffusers, pipeline).__call__).parameters) - {"self", "kwargs"}:
        if name not in known:
            with pytest.raises(UnknownField, match=f"{name} is an argument of diffusers, not a field"):
                check_names({name: None})


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


@pytest.mark.parametrize(
    ("prompt", "given", "message"),
    [
        ("a", {"num_inference_steps": 5}, "unknown field 'num_inference_steps'; here it is num_steps"),
        ("a", {"num_steps": 0}, "num_steps is 0; must be from 1 to 1000"),
        (["a", "b"], {}, "the list has 'a', which is no GenerationRequest; for several prompts write pipe(["),
        (["a", ""], {"seed": 1}, "the list has 'a', which is no GenerationRequest"),
        (GenerationRequest(prompt="a"), {"seed": 1}, "seed given together with a request; set them in"),
        (5, {}, "prompt is 5; must be text, a GenerationRequest, or a list of them"),
    ],
)
def test_a_request_that_a_pipeline_cannot_draw_is_refused_with_a_message(
    pipe: TextToImagePipeline, prompt: object, given: dict[str, object], message: str
) -> None:
    with pytest.raises(RequestError) as refusal:
        pipe(prompt, **given)  # type: ignore[call-overload]
    assert message in str(refusal.value)
