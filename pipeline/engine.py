"""Samples many requests together: packs what their trajectories ask for into calls of one U-Net."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import lcm

import torch
from torch import Tensor

from attention import AttentionOrder, AttentionRuntime, Backend, Choice, get, plan
from attention.recorder import RowRecorder
from attention.recording import Recording
from pipeline.decode import decode
from pipeline.errors import NonFinitePrediction, PictureError
from pipeline.faults import first_fault
from pipeline.maps import HeatMaps
from pipeline.model import Model
from pipeline.record import make_record
from pipeline.recordings import Recordings, start_recordings
from pipeline.request import GenerationRequest
from pipeline.result import Result, Step
from pipeline.schedulers import make_scheduler
from pipeline.text import Conditioning, repeat_to
from pipeline.trajectory import Ask, Trajectory, sample

Plan = Mapping[str, Choice]  # site -> choice
# Contexts of 1, 2, 3 and 6 chunks share a call, each repeated to the common length.
MAX_SHARED_TOKENS = 6 * 77


@dataclass(slots=True)
class Job:
    """One request in flight."""

    id: int
    request: GenerationRequest
    conditioning: tuple[Conditioning, ...]  # (negative, prompt), or (prompt,) without guidance
    plan: Plan
    trajectory: Trajectory
    ask: Ask
    recorded: Recordings
    retries: list[str] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        """Length of a context that holds the prompt a whole number of times, and the negative prompt too."""
        return lcm(*(len(conditioning.context) for conditioning in self.conditioning))

    @property
    def recordings(self) -> list[Recording | None]:
        """What each row is recorded into."""
        return self.recorded.rows(len(self.conditioning))


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one U-Net call; a row is one prediction."""

    x: Tensor  # b c h w
    timesteps: Tensor  # b
    context: Tensor  # b m c
    pooled: Tensor | None  # b p
    size_ids: Tensor | None  # b 6


class Engine:
    """Keeps at most `max_rows` predictions in a U-Net call and requests joining as others finish.

    Requests of one size share calls, whatever their prompts, steps, schedulers and guidance; sizes take
    turns.
    """

    def __init__(self, model: Model, order: AttentionOrder | None = None, *, max_rows: int = 8) -> None:
        self.model = model
        self.order = order
        self.max_rows = max_rows
        self._plans: dict[tuple[int, int], Plan] = {}

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the model's values in its open fields."""
        height, width = self.model.native_size
        return request.resolved(
            width=width, height=height, guidance_scale=self.model.family.guidance_scale, scheduler="model"
        )

    def plan(self, request: GenerationRequest) -> Plan:
        """Which backend every attention site gets for a picture of this size.

        Raises:
            BackendRefused: the order cannot be obeyed.
        """
        _, height, width = self._latent_shape(self.resolve(request))
        if (height, width) not in self._plans:
            unet = self.model.unet
            specs = unet.attention_specs(height, width, self.model.text.length, batch=self.max_rows)
            kinds = {site.name: site.kind for site in unet.sites}
            self._plans[height, width] = plan(specs, kinds, self.order)
        return self._plans[height, width]

    def run(self, requests: Iterable[GenerationRequest]) -> Iterator[Step]:
        """Yields a `Step` for every prediction of every request; stop iterating to cancel.

        A request that fails brings its error in its last step, and the others go on.
        """
        waiting = enumerate(requests)
        jobs: deque[Job] = deque()
        while True:
            while sum(len(job.conditioning) for job in jobs) < self.max_rows and (
                pair := next(waiting, None)
            ):
                jobs.append(self._start(*pair))
            if not jobs:
                return
            batch = self._pack(jobs)
            rows = self._predict(batch)
            for job, prediction in zip(batch, rows, strict=True):
                step = self._advance(job, prediction)
                if step.result is None and step.error is None:
                    jobs.append(job)
                yield step

    @torch.inference_mode()
    def _start(self, id: int, request: GenerationRequest) -> Job:
        request = self.resolve(request)
        assert request.scheduler is not None
        scheduler = make_scheduler(request.scheduler, self.model.scheduler_config)
        trajectory = sample(request, scheduler, self._latent_shape(request), self.model.unet.device)
        text = self.model.text
        prompt = text.prompt(request.prompt)
        conditioning = (text.negative(request.negative_prompt), prompt) if request.is_guided else (prompt,)
        ask = next(trajectory)
        recorded = start_recordings(request, self.model, conditioning, ask.count)
        return Job(id, request, conditioning, self.plan(request), trajectory, ask, recorded)

    def _maps(self, job: Job) -> HeatMaps | None:
        return job.recorded.maps(job.request, job.conditioning, self.model)

    def _latent_shape(self, request: GenerationRequest) -> tuple[int, int, int]:
        assert request.width is not None and request.height is not None
        factor = self.model.latent_factor
        return self.model.vae.config.latent_channels, request.height // factor, request.width // factor

    def _pack(self, jobs: deque[Job]) -> list[Job]:
        """Takes from `jobs` the first, and those of its size that fit beside it, in order."""
        first = jobs.popleft()
        batch, others = [first], []
        room, num_tokens = self.max_rows - len(first.conditioning), first.num_tokens
        while jobs:
            job = jobs.popleft()
            together = lcm(num_tokens, job.num_tokens)
            is_alike = job.ask.x.shape == first.ask.x.shape
            if is_alike and len(job.conditioning) <= room and together <= MAX_SHARED_TOKENS:
                batch.append(job)
                room, num_tokens = room - len(job.conditioning), together
            else:
                others.append(job)
        jobs.extend(others)
        return batch

    @torch.inference_mode()
    def _predict(self, batch: Sequence[Job]) -> list[Tensor | NonFinitePrediction]:
        """Predictions r c h w for each job; those that are not finite are asked for again on `math`."""
        runtime, recorder = _runtime(batch, {site: c.backend for site, c in batch[0].plan.items()})
        rows = self._call(batch, runtime)
        is_finite = [bool(r.isfinite().all()) for r in rows]
        recorder.commit([ok for job, ok in zip(batch, is_finite, strict=True) for _ in job.conditioning])
        return [r if ok else self._retry(job) for job, r, ok in zip(batch, rows, is_finite, strict=True)]

    def _retry(self, job: Job) -> Tensor | NonFinitePrediction:
        fault = first_fault(
            lambda runtime: self._call([job], runtime), {site: c.backend for site, c in job.plan.items()}
        )
        where = f"prediction {job.ask.index + 1} of {job.ask.count}: {fault}"
        runtime, recorder = _runtime([job], dict.fromkeys(job.plan, get("math")))
        (rows,) = self._call([job], runtime)
        if rows.isfinite().all():
            recorder.commit()
            job.retries.append(f"{where}; drawn again with math")
            return rows
        return NonFinitePrediction(
            f"NaN or infinity in {where}; the same with the math backend; nothing is saved"
        )

    def _call(self, batch: Sequence[Job], runtime: AttentionRuntime) -> tuple[Tensor, ...]:
        unet, call = self.model.unet, self._arguments(batch)
        prediction = unet(
            call.x,
            call.timesteps,
            call.context,
            pooled=call.pooled,
            size_ids=call.size_ids,
            attention=runtime,
        )
        return prediction.split([len(job.conditioning) for job in batch])

    def _arguments(self, batch: Sequence[Job]) -> Call:
        unet, num_tokens = self.model.unet, lcm(*(job.num_tokens for job in batch))
        rows = [(job, conditioning) for job in batch for conditioning in job.conditioning]
        pooled = [conditioning.pooled for _, conditioning in rows if conditioning.pooled is not None]
        sizes = [(job.request.height, job.request.width) for job, _ in rows]
        return Call(
            x=torch.cat([job.ask.x for job, _ in rows]).to(unet.dtype),
            timesteps=torch.stack([job.ask.timestep for job, _ in rows]).to(unet.device),
            context=torch.stack([repeat_to(c.context, num_tokens) for _, c in rows]).to(unet.dtype),
            pooled=torch.stack(pooled).to(unet.dtype) if pooled else None,
            size_ids=torch.tensor([[h, w, 0, 0, h, w] for h, w in sizes], device=unet.device)
            if pooled
            else None,
        )

    @torch.inference_mode()
    def _advance(self, job: Job, rows: Tensor | NonFinitePrediction) -> Step:
        if isinstance(rows, NonFinitePrediction):
            return self._step(job, error=rows)
        try:
            job.ask = job.trajectory.send(rows)
        except StopIteration as finished:
            return self._finish(job, finished.value)
        return self._step(job)

    def _finish(self, job: Job, latent: Tensor) -> Step:
        try:
            image = decode(self.model.vae, latent)
        except PictureError as error:
            return self._step(job, error=error)
        info = make_record(job.request, self.model, job.plan, job.retries)
        return self._step(
            job, result=Result(image=image, request=job.request, info=info, maps=self._maps(job))
        )

    def _step(self, job: Job, *, result: Result | None = None, error: Exception | None = None) -> Step:
        ask = job.ask
        return Step(
            id=job.id,
            request=job.request,
            index=ask.index + 1 if result or error else ask.index,
            count=ask.count,
            preview=partial(decode, self.model.vae, ask.denoised) if ask.denoised is not None else None,
            maps=self._maps(job),
            result=result,
            error=error,
        )


def _runtime(batch: Sequence[Job], backends: Mapping[str, Backend]) -> tuple[AttentionRuntime, RowRecorder]:
    """What a call does its attention with, and who listens, if any of its requests wants maps."""
    recorder = RowRecorder([recording for job in batch for recording in job.recordings])
    return AttentionRuntime(backends, recorder if recorder.is_needed else None), recorder
