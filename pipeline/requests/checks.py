"""What the fields of a request must be together."""

import math
from typing import TYPE_CHECKING

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.fields import MAX_SEED
from limelight.pipeline.requests.values import Whole
from limelight.pipeline.segments import spelled, words_in

if TYPE_CHECKING:
    from limelight.pipeline.requests.request import GenerationRequest


def check_passes(request: "GenerationRequest") -> None:
    """Raises RequestError where a pass would have no step, where a masked picture would have a second pass,
    and for `pick` where a picture does not begin from noise."""
    if request.pick > 1:
        Whole(0, MAX_SEED).check("seed + pick - 1", request.seed + request.pick - 1)
        for name in ("image", "latents"):
            if getattr(request, name) is not None:
                raise RequestError(
                    f"pick is {request.pick} and {name} is given; starts differ in their noise, and with "
                    f"{name} a picture begins from something else: leave one out"
                )
    if request.strength is not None:
        _check_one_step("strength", request.strength, request.num_steps)
    if request.hires_strength is None:
        return
    if request.mask is not None:
        raise RequestError("hires_scale and mask are given; a masked picture has no second pass: give one")
    _check_one_step("hires_strength", request.hires_strength, request.num_steps)


def _check_one_step(name: str, strength: float, num_steps: int) -> None:
    if strength > 0 and int(strength * num_steps) < 1:
        least = math.ceil(1000 / num_steps) / 1000
        raise RequestError(
            f"{name} is {strength}, less than one step of {num_steps}; must be at least {least:g}, or 0 for "
            "none"
        )


def check_guidance(request: "GenerationRequest") -> None:
    """Raises RequestError where guidance ends before it begins."""
    if request.guidance_start >= request.guidance_end:
        raise RequestError(
            f"guidance_start is {request.guidance_start} and guidance_end {request.guidance_end}; "
            "the start must be smaller (to have no guidance, set guidance_scale to 1)"
        )


def check_recorded(request: "GenerationRequest") -> None:
    """Raises RequestError for maps that cannot be kept."""
    if not request.record and (request.record_extras or request.record_points or request.record_queries):
        raise RequestError("record is False, with record_extras, record_points or record_queries; set it")
    if request.record_queries and request.lossy_cache_interval > 1:
        raise RequestError(
            f"lossy_cache_interval is {request.lossy_cache_interval} with record_queries; predictions "
            "between whole ones have no queries: set it to 1, or leave record_queries out"
        )
    for point in request.record_points:
        for axis, value, size in zip("xy", point, request.final_size, strict=True):
            if size is not None:
                Whole(0, size - 1).check(f"{axis} of a point", value)


def check_schedule(request: "GenerationRequest") -> None:
    """Raises RequestError for a schedule that is given twice, or by parts that do not go together."""
    if request.timesteps and request.sigmas:
        raise RequestError("timesteps and sigmas are given; each is a whole schedule: give one")
    if len(request.sigmas) == 1:
        raise RequestError(
            "sigmas has 1 number; must have 2 or more: the last is the noise level of the finished picture"
        )
    if request.latents is not None and request.image is not None:
        raise RequestError("latents and image are given; sampling begins from one: leave one out")
    start, end = request.denoising_start or 0.0, request.denoising_end
    if end is not None and end <= start:
        raise RequestError(
            f"denoising_start is {start:g} and denoising_end {end:g}; the start must be smaller"
        )
    if end is not None and request.hires_scale is not None:
        raise RequestError(
            "denoising_end and hires_scale are given; a second pass begins from a finished picture: give one"
        )


def check_masked_part(request: "GenerationRequest") -> None:
    """Raises RequestError for fields that need the whole picture where only its masked part is drawn."""
    if request.padding_mask_crop is None:
        return
    for names, is_given in (
        ("record", bool(request.record)),
        (", ".join(request.uncompiled), request.is_steered),
    ):
        if is_given:
            raise RequestError(
                f"padding_mask_crop and {names} are given; only a part of the picture is drawn: crop image "
                "and mask before, or leave one out"
            )


def check_edit(request: "GenerationRequest") -> None:
    """Raises RequestError for an edit of the words that also changes attention in other ways, or that does
    not begin from noise."""
    if request.edit_of is None:
        if request.blend_words:
            raise RequestError(
                "blend_words are given and edit_of is not; they say where an edit may differ from another "
                "picture: give both, or leave blend_words out"
            )
        return
    for words in request.blend_words:
        _check_blended(words, request.prompt, request.edit_of)
    names = [name for name in request.uncompiled if name not in ("freeu", "scale_words", "edit_of")]
    names += ["latents"] if request.latents is not None else []
    names += ["pick"] if request.pick > 1 else []
    if names:
        raise RequestError(
            f"edit_of and {', '.join(names)} are given; an edit takes its noise and attention from the "
            "picture that it keeps: leave one out"
        )
    _check_inverted(request)


def _check_inverted(request: "GenerationRequest") -> None:
    """Raises RequestError for fields that an edit of an image cannot have, which is turned into noise by all
    of DDIM's steps."""
    if request.image is None:
        return
    fields = ("mask", "strength", "hires_scale", "denoising_end", "timesteps", "sigmas", "eta")
    if names := [name for name in fields if getattr(request, name) not in (None, (), 0.0)]:
        raise RequestError(
            f"edit_of, image and {', '.join(names)} are given; the whole image is turned into noise, by all "
            f"steps: leave out {', '.join(names)}, or edit_of"
        )


def _check_blended(words: str, *prompts: str) -> None:
    """Raises RequestError unless one of the prompts has all of some words."""
    known = [{spelled(word) for word in words_in(prompt)} for prompt in prompts]
    if not any(each.issuperset(map(spelled, words_in(words))) for each in known):
        typed = dict.fromkeys(word for prompt in prompts for word in words_in(prompt))
        raise RequestError(
            f"blend_words has {words!r}, which neither prompt has; their words are {', '.join(typed)}"
        )
