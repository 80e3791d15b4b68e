"""One call of the U-Net for several requests, each getting its own rows back."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, Backend, ContextRows, get
from limelight.attention.recording.recorder import RepeatingRecorder, RowRecorder
from limelight.pipeline.errors import NonFinitePrediction
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.compiled import Graphs
from limelight.pipeline.sampling.firm import gradients
from limelight.pipeline.sampling.job import Job
from limelight.unet import DeepFeature
from limelight.unet.embeddings import guidance_embedding
from limelight.unet.freeu import FreeU


def first_fault(call: Callable[[AttentionRuntime], Any], runtime: AttentionRuntime) -> str:
    """Repeats a U-Net call, checks what goes in and out of every attention site, and returns in words where
    the first NaN or infinity appeared.

    Args:
        call: makes the U-Net call with the attention runtime that it is given.
        runtime: that of the call that failed.
    """
    faults: list[str] = []
    watched = {site: _watched(site, backend, faults) for site, backend in runtime.plan.items()}
    call(replace(runtime, plan=watched, recorder=None, means=None))
    return faults[0] if faults else "after the last attention site"


def _watched(site: str, backend: Backend, faults: list[str]) -> Backend:
    def run(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        out = backend.run(q, k, v, **options)
        if not faults:
            if not all(x.isfinite().all() for x in (q, k, v)):
                faults.append(f"before attention at {site} (a weight, or the input)")
            elif not out.isfinite().all():
                faults.append(f"in attention at {site}, backend {backend.name}")
        return out

    return replace(backend, run=run, cross=None)  # without `cross`, all calls pass through `run`


# The refiner's aesthetic scores; the values that diffusers takes.
_SCORE, _NEGATIVE_SCORE = 6.0, 2.5


def size_ids(
    request: GenerationRequest, height: int, width: int, *, scored: bool, is_negative: bool
) -> list[float]:
    """Original size and crop, then the target size, or for the refiner its aesthetic score.

    Args:
        height, width: of this pass, in pixels, where the request says nothing.
    """
    seen = [*(request.original_size or (height, width)), *(request.crops_coords_top_left or (0, 0))]
    if not scored:
        return [*seen, *(request.target_size or (height, width))]
    score = request.negative_aesthetic_score if is_negative else request.aesthetic_score
    if score is None:
        score = _NEGATIVE_SCORE if is_negative else _SCORE
    return [*seen, score]


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one U-Net call; a row is one prediction."""

    x: Tensor  # b c h w
    timesteps: Tensor  # b
    pooled: Tensor | None  # b p
    size_ids: Tensor | None  # b 6, or b 5
    time_cond: Tensor | None  # b e


@torch.inference_mode()
def predict(
    model: Model, batch: Sequence[Job], graphs: Graphs | None = None
) -> list[Tensor | NonFinitePrediction]:
    """Predictions r c h w for each job, or gradients 1 i h w; a prediction that is not finite is computed
    again on `math`.

    Args:
        graphs: the U-Net compiled; None calls it as it is.
    """
    if batch[0].asked.wants_gradient:
        return _gradients(model, batch)
    with _context(model, batch) as context:
        attention, recorder = _attention(batch, batch[0].attention, context)
        rows = _call(model, batch, attention, graphs)
    is_finite = [bool(r.isfinite().all()) for r in rows]
    if recorder is not None:
        recorder.commit([ok for job, ok in zip(batch, is_finite, strict=True) for _ in job.asked.x])
    return [r if ok else _retry(model, job) for job, r, ok in zip(batch, rows, is_finite, strict=True)]


def _gradients(model: Model, batch: Sequence[Job]) -> list[Tensor | NonFinitePrediction]:
    call = _arguments(model, batch)
    arguments = {name: getattr(call, name) for name in ("timesteps", "pooled", "size_ids", "time_cond")}
    hands = [job.hand for job in batch]
    with _context(model, batch) as context:
        steerings = [steering for job in batch for steering in job.steerings]
        steered = replace(batch[0].attention, context=context, steering=steerings if any(steerings) else ())
        return gradients(model, call.x, arguments, hands, steered)


def _retry(model: Model, job: Job) -> Tensor | NonFinitePrediction:
    with _context(model, [job]) as context:
        planned, _ = _attention([job], job.attention, context)
        fault = first_fault(lambda attention: _call(model, [job], attention), planned)
        math = AttentionRuntime(dict.fromkeys(planned.plan, get("math")))
        attention, recorder = _attention([job], math, context)
        (rows,) = _call(model, [job], attention)
    where = f"prediction {job.index + 1} of {job.num_predictions}: {fault}"
    if rows.isfinite().all():
        if recorder is not None:
            recorder.commit()
        job.retries.append(f"{where}; drawn again with math")
        return rows
    return NonFinitePrediction(
        f"NaN or infinity in {where}; the same with the math backend; nothing is saved"
    )


def _call(
    model: Model, batch: Sequence[Job], attention: AttentionRuntime, graphs: Graphs | None = None
) -> tuple[Tensor, ...]:
    """The U-Net's prediction, split into the rows of each job."""
    call, unet, deep = _arguments(model, batch), graphs or model.unet, _deep_feature(batch)
    prediction = unet(
        call.x,
        call.timesteps,
        None,  # the runtime has its keys and values
        pooled=call.pooled,
        size_ids=call.size_ids,
        attention=attention,
        time_cond=call.time_cond,
        **{name: value for name, value in (("deep", deep), ("freeu", _freeu(batch))) if value is not None},
    )
    counts = [job.num_rows for job in batch]
    if deep is not None and deep.kept is not None and not batch[0].takes_deep:
        for job, kept in zip(batch, deep.kept.split(counts), strict=True):
            if job.request.lossy_cache_interval > 1:
                job.deep, job.deep_index = kept.clone(), job.index  # a view would hold on to the whole batch
    return prediction.split(counts)


def _freeu(batch: Sequence[Job]) -> FreeU | None:
    """The factors of those rows whose requests have some."""
    factors = [job.request.freeu for job in batch for _ in job.asked.x]
    rows = [row for row, each in enumerate(factors) if each is not None]
    if not rows:
        return None
    found = torch.tensor([each for each in factors if each is not None])  # b1, b2, s1, s2
    return FreeU(torch.tensor(rows), found[:, :2], found[:, 2:]).to(batch[0].asked.x.device)


def _deep_feature(batch: Sequence[Job]) -> DeepFeature | None:
    """The kept features of the rows, or an empty one to receive theirs; None where no request wants one."""
    if batch[0].takes_deep:
        return DeepFeature(torch.cat([job.deep[-job.num_rows :] for job in batch if job.deep is not None]))
    return DeepFeature() if any(job.request.lossy_cache_interval > 1 for job in batch) else None


def _arguments(model: Model, batch: Sequence[Job]) -> Call:
    unet = model.unet
    rows = [(job, conditioning) for job in batch for conditioning in job.conditioning]
    pooled = [conditioning.pooled for _, conditioning in rows if conditioning.pooled is not None]
    return Call(
        x=torch.cat([job.asked.x for job in batch]).to(unet.dtype),
        timesteps=torch.stack([job.asked.timestep for job, _ in rows]).to(unet.device),
        pooled=torch.stack(pooled).to(unet.dtype) if pooled else None,
        size_ids=_size_ids(model, batch) if pooled else None,
        time_cond=_time_cond(model, batch),
    )


def _time_cond(model: Model, batch: Sequence[Job]) -> Tensor | None:
    """The embedded guidance scale of each row, b e; None for a U-Net that takes none."""
    unet = model.unet
    if unet.config.time_cond_dim is None:
        return None
    scales = [job.request.guidance_scale for job in batch for _ in job.asked.x]
    embedded = guidance_embedding(torch.tensor(scales, device=unet.device), unet.config.time_cond_dim)
    return embedded.to(unet.dtype)


def _size_ids(model: Model, batch: Sequence[Job]) -> Tensor:
    """Each row's original size, crop and target size, b 6; the refiner's b 5 have a score."""
    scored, factor = model.is_scored, model.latent_factor
    rows = []
    for job in batch:
        height, width = (side * factor for side in job.asked.x.shape[2:])
        rows += [
            size_ids(job.request, height, width, scored=scored, is_negative="negative" in role)
            for role in job.asked.roles
        ]
    return torch.tensor(rows, device=model.unet.device)


def _context(model: Model, batch: Sequence[Job]) -> AbstractContextManager[ContextRows]:
    """Keys and values of the prompts of a call's rows."""
    return model.prompt_cache.rows([each for job in batch for each in job.conditioning])


def _attention(
    batch: Sequence[Job], planned: AttentionRuntime, context: ContextRows
) -> tuple[AttentionRuntime, RowRecorder | RepeatingRecorder | None]:
    """The attention of a call, steered where its requests are, and the recorder of those that want maps, if
    any does."""
    recordings = [recording for job in batch for recording in job.recordings]
    steerings = [steering for job in batch for steering in job.steerings]
    steered = replace(planned, context=context, steering=steerings if any(steerings) else ())
    if not any(recordings):
        return steered, None
    if batch[0].takes_deep:
        return steered, RepeatingRecorder(recordings)
    recorder = RowRecorder(recordings, steered.steering)
    means = recorder if recorder.takes_means else None
    return replace(steered, recorder=recorder, means=means), recorder
