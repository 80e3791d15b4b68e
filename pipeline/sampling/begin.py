"""Begins a request: picks its start, encodes its prompts, and prepares its first prediction."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from limelight.attention import AttentionRuntime
from limelight.pipeline.maps.request_maps import start_maps
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.edits.editing import Editing
from limelight.pipeline.sampling.edits.start import start_edit
from limelight.pipeline.sampling.job import Job, begun
from limelight.pipeline.sampling.passes import make_passes, make_trajectory
from limelight.pipeline.sampling.pick import pick
from limelight.pipeline.sampling.sampler import Change
from limelight.pipeline.sampling.steering import RequestSteering, start_steering
from limelight.pipeline.text.encoder import Reading, words_of


def begin(
    id: int,
    request: GenerationRequest,
    model: Model,
    attention: AttentionRuntime,
    max_rows: int,
    change: Change | None = None,
) -> tuple[Job, Tensor | None]:
    """The job of a request, with its first call of the U-Net prepared. Second comes the finished latent of a
    request that needs no prediction, else None.

    Args:
        request: resolved and fitted.
        attention: the plan for its size.
        max_rows: rows of one call while starts are tried.
        change: as `make_trajectory` takes it.

    Raises:
        RequestError: the model cannot draw the request.
        PictureError: the VAE overflowed on the request's image, or memory is short.
    """
    read: Reading = {"clip_skip": request.clip_skip, "syntax": request.prompt_syntax}
    prompt = model.text.prompt(request.prompt, **read)
    if model.vocabulary is not None:
        model.vocabulary.warn_of_unknown(words_of(request.prompt, prompt.tokens))
    negative = model.text.negative(request.negative_prompt, **read) if request.is_guided else prompt
    chosen = start_steering(request, model, prompt) if request.is_steered else None
    steering: RequestSteering | Editing | None = chosen
    notes: Mapping[str, Any] = {}
    if request.pick > 1:
        picked = pick(request, model, attention, prompt, chosen, max_rows)
        request, notes = replace(request, seed=picked.starts[0].seed, pick=1), {"pick": picked.to_dict()}
    passes = make_passes(request, model)
    base = None if request.edit_of is None else model.text.prompt(request.edit_of, **read)
    wants_maps = request.record or request.blend_words or any(each.word for each in request.regions)
    maps = start_maps(request, model, negative, prompt, len(passes[0]), base) if wants_maps else None
    num_inverted = 0
    if base is None:
        trajectory = make_trajectory(request, model, passes, change)
    else:
        begun_edit = start_edit(request, model, prompt, base, passes, maps, change)
        trajectory, steering = begun_edit.trajectory, begun_edit.editing
        notes, num_inverted = {"edit": list(begun_edit.changes)}, begun_edit.num_inverted
    asked, latent = begun(trajectory)
    job = Job(
        id=id,
        request=request,
        negative=negative,
        prompt=prompt,
        trajectory=trajectory,
        asked=asked,
        attention=attention,
        maps=maps,
        steering=steering,
        num_predictions=max(1, num_inverted + sum(map(len, passes))),
        num_recorded=len(passes[0]),
        num_inverted=num_inverted,
        base=base,
        notes=notes,
    )
    return job, latent
