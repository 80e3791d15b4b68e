"""The names of fields: their types for editors, and what to write for names that other programs use."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypedDict

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.steering import HeadScale, Painted, Region
from limelight.pipeline.requests.values import Record, Source, SyntaxName


class RequestFields(TypedDict, total=False):
    """The fields that `pipe(prompt, **fields)` takes, for type checkers and editors."""

    negative_prompt: str
    seed: int
    num_steps: int
    guidance_scale: float | None
    scheduler: str | None
    width: int | None
    height: int | None
    image: Source | None
    mask: Source | None
    strength: float | None
    image_guidance_scale: float | None
    hires_scale: float | None
    hires_strength: float | None
    clip_skip: int
    prompt_syntax: SyntaxName
    guidance_rescale: float
    guidance_start: float
    guidance_end: float
    lossy_cache_interval: int
    paint: tuple[Painted, ...]
    regions: tuple[Region, ...]
    heads: tuple[HeadScale, ...]
    pag_scale: float
    seg_scale: float
    freeu: tuple[float, float, float, float] | None
    pladis: float
    pick: int
    edit_of: str | None
    keep: tuple[float, float]
    record: Record
    record_extras: tuple[str, ...]
    record_points: tuple[tuple[int, int], ...]
    record_queries: tuple[int, ...]
    expansion: Expansion | None


DIFFUSERS: Mapping[str, str] = {
    "generator": "set seed=NUMBER, which gives the noise of torch.Generator('cpu').manual_seed(NUMBER)",
    "num_images_per_prompt": "pass GenerationRequest(prompt=...).repeated(COUNT); a command has --count",
    "latents": "set seed, which the noise follows from; leave latents out",
    "eta": "choose a stochastic scheduler such as scheduler='euler-a'; leave eta out",
    "timesteps": "set num_steps and scheduler; leave timesteps out",
    "sigmas": "set num_steps and scheduler; leave sigmas out",
    "prompt_2": "leave it out; every text encoder of the model reads the prompt",
    "negative_prompt_2": "leave it out; every text encoder of the model reads the negative prompt",
    "prompt_embeds": "pass the prompt as text; weights of words are written as (word:1.3)",
    "negative_prompt_embeds": "pass negative_prompt as text; weights of words are written as (word:1.3)",
    "cross_attention_kwargs": "set the weight of a LoRA with pipe.load_lora(path, weight)",
    "output_type": "leave it out; result.image is a PIL image",
    "return_dict": "leave it out; result.image is the picture, result.info its record",
    "callback": "iterate over pipe.stream([request]), which yields a Step for each prediction",
    "callback_on_step_end": "iterate over pipe.stream([request]), which yields a Step for each prediction",
    "ip_adapter_image": "leave it out; IP-Adapters are not supported",
    "padding_mask_crop": "leave it out; crop image and mask before",
}


class UnknownField(RequestError, TypeError):
    """A request has no field of that name."""


def field_for(name: str) -> str:
    """Our name of the field that diffusers or the command line call `name`, or of one that is spelt nearly
    so; empty if there is none."""
    option = "--" + name.replace("_", "-")
    for ours, field in FIELDS.items():
        if name == field.diffusers or option == field.option:
            return ours
    return next(iter(get_close_matches(name, FIELDS, n=1, cutoff=0.75)), "")


def check_names(given: Mapping[str, Any]) -> None:
    """Raises UnknownField, with what to write instead, unless every name is a field's."""
    if unknown := [name for name in given if name not in FIELDS]:
        raise UnknownField("; ".join(_remedies(unknown)))


def _remedies(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if name in DIFFUSERS:
            yield f"{name} is an argument of diffusers, not a field of a request: {DIFFUSERS[name]}"
        elif ours := field_for(name):
            yield f"unknown field {name!r}; here it is {ours}"
        else:
            yield f"unknown field {name!r}; valid: {', '.join(FIELDS)}"
