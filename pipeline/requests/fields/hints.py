"""What to write for a name that other programs use: diffusers' arguments, and options of the command line."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.fields import FIELDS

DIFFUSERS: Mapping[str, str] = {
    "generator": "set seed=NUMBER, which gives the noise of torch.Generator('cpu').manual_seed(NUMBER)",
    "num_images_per_prompt": "pass GenerationRequest(prompt=...).repeated(COUNT); a command has --count",
    "prompt_2": "leave it out; every text encoder of the model reads the prompt",
    "negative_prompt_2": "leave it out; every text encoder of the model reads the negative prompt",
    "prompt_embeds": "pass the prompt as text; weights of words are written as (word:1.3)",
    "negative_prompt_embeds": "pass negative_prompt as text; weights of words are written as (word:1.3)",
    "pooled_prompt_embeds": "pass the prompt as text; weights of words are written as (word:1.3)",
    "negative_pooled_prompt_embeds": "pass negative_prompt as text",
    "cross_attention_kwargs": "set the weight of a LoRA with pipe.load_lora(path, weight)",
    "output_type": "leave it out; result.image is a PIL image, and result.latent its latent",
    "return_dict": "leave it out; result.image is the picture, result.info its record",
    "callback": "iterate over pipe.stream([request]), which yields a Step for each prediction",
    "callback_on_step_end": "iterate over pipe.stream([request]), which yields a Step for each prediction; "
    "to change the latent, pass pipe.stream([request], change=function)",
    "callback_on_step_end_tensor_inputs": "leave it out; a step has its preview and its maps",
    "masked_image_latents": "leave it out; they are encoded from image and mask",
    "original_inference_steps": "set it in the model's scheduler_config.json",
    "negative_original_size": "leave it out; the negative prompt has the sizes of the prompt",
    "negative_crops_coords_top_left": "leave it out; the negative prompt has the crop of the prompt",
    "negative_target_size": "leave it out; the negative prompt has the sizes of the prompt",
    "ip_adapter_image_embeds": "leave it out; IP-Adapters are not supported",
    "ip_adapter_image": "leave it out; IP-Adapters are not supported",
}


class UnknownField(RequestError, TypeError):
    """A request has no field of that name."""


def field_for(name: str) -> str:
    """The field that diffusers or the command line call `name`, or whose name is spelt nearly the same;
    empty if there is none."""
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
