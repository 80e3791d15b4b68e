"""Samples many requests together: packs what their trajectories ask for into calls of one U-Net."""

import warnings
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
from pipeline.decode import decode, decode_with_notes
from pipeline.draw import draw, fitted
from pipeline.errors import NonFinitePrediction, PictureError, RequestError
from pipeline.faults import first_fault
from pipeline.maps import HeatMaps
from pipeline.model import Model
from pipeline.record import make_record
from pipeline.recordings import Recordings, start_recordings
from pipeline.request import GenerationRequest
from pipeline.result import Result, Step
from pipeline.sizes import size_ids
from pipeline.text import Conditioning, repeat_to
from pipeline.trajectory import Ask, Trajectory
from pipeline.vocabulary import UnknownWords
from pipeline.words import Word, words_of
from unet.embeddings import guidance_embedding

Plan = Mapping[str, Choice]  # site -> choice
# Contexts of 1, 2, 3 and 6 chunks share a call, each repeated to the common length.
MAX_SHARED_TOKENS = 6 * 77


@dataclass(slots=True)
class Job:
    """One request in flight."""

    id: int
    request: GenerationRequest
    negative: Conditioning
    prompt: Conditioning
    plan: Plan  # of what is asked for now
    trajectory: Trajectory
    ask: Ask
    recorded: Recordings
    retries: list[str] = field(default_factory=list)

    @property
    def conditioning(self) -> list[Conditioning]:
        """What each row that is asked for is drawn for; the last is the prompt's."""
        return [*[self.negative] * (len(self.ask.x) - 1), self.prompt]

    @property
    def num_tokens(self) -> int:
        """Length of a context that holds the prompt a whole number of times, and the negative prompt too."""
        return lcm(*(len(conditioning.context) for conditioning in self.conditioning))

    @property
    def recordings(self) -> list[Recording | None]:
        """What each row is recorded into."""
        return self.recorded.rows(len(self.ask.x)) if self.ask.recorded else [None] * len(self.ask.x)


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one U-Net call; a row is one prediction."""

    x: Tensor  # b c h w
    timesteps: Tensor  # b
    context: Tensor  # b m c
    pooled: Tensor | None  # b p
    size_ids: Tensor | None  # b 6, or b 5
    time_cond: Tensor | None  # b e


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
        """The request with the model's values in its open fields.

        Raises:
            RequestError: the model cannot do what is asked for.
        """
        if request.clip_skip > (limit := self.model.text.max_clip_skip):
            raise RequestError(f"clip_skip is {request.clip_skip}; must be from 1 to {limit} for this model")
        height, width = self.model.native_size
        resolved = request.resolved(
            width=width, height=height, guidance_scale=self.model.family.guidance_scale, scheduler="model"
        )
        return fitted(resolved, self.model)

    def plan(self, request: GenerationRequest) -> Plan:
        """Which backend every attention site gets for a picture of this size.

        Raises:
            BackendRefused: the order cannot be obeyed.
            RequestError: the model cannot do what is asked for.
        """
        return self._plans_of(self.resolve(request))[0]

    def _plans_of(self, request: GenerationRequest) -> list[Plan]:
        """The plan of each pass of a resolved request."""
        sizes = dict.fromkeys([(request.width, request.height), request.final_size])
        return [self._plan(*self.model.latent_shape(h, w)[1:]) for w, h in sizes if w and h]

    def _plan(self, height: int, width: int) -> Plan:
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
            while sum(len(job.ask.x) for job in jobs) < self.max_rows and (pair := next(waiting, None)):
                try:
                    jobs.append(self._start(*pair))
                except PictureError as error:
                    yield self._refused(*pair, error)
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
        plan = self._plans_of(request)[0]
        trajectory, text = draw(request, self.model), self.model.text
        prompt = text.prompt(request.prompt, clip_skip=request.clip_skip)
        self._warn_of_unknown_words(words_of(request.prompt, prompt.tokens))
        negative = text.negative(request.negative_prompt) if request.is_guided else prompt
        ask = next(trajectory)
        recorded = start_recordings(request, self.model, negative, prompt, ask.count)
        return Job(id, request, negative, prompt, plan, trajectory, ask, recorded)

    def _warn_of_unknown_words(self, words: Sequence[Word]) -> None:
        vocabulary = self.model.vocabulary
        typed = [word.text for word in words if not word.is_learned]
        if vocabulary is not None and (unknown := vocabulary.unknown(typed)):
            warnings.warn(vocabulary.explain(unknown), UnknownWords, stacklevel=2)

    def _maps(self, job: Job) -> HeatMaps | None:
        return job.recorded.maps(job.request, job.negative, job.prompt, self.model)

    def _pack(self, jobs: deque[Job]) -> list[Job]:
        """Takes from `jobs` the first, and those of its size that fit beside it, in order."""
        first = jobs.popleft()
        batch, others = [first], []
        room, num_tokens = self.max_rows - len(first.ask.x), first.num_tokens
        while jobs:
            job = jobs.popleft()
            together = lcm(num_tokens, job.num_tokens)
            is_alike = job.ask.x.shape[1:] == first.ask.x.shape[1:]
            if is_alike and len(job.ask.x) <= room and together <= MAX_SHARED_TOKENS:
                batch.append(job)
                room, num_tokens = room - len(job.ask.x), together
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
        recorder.commit([ok for job, ok in zip(batch, is_finite, strict=True) for _ in job.ask.x])
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
            time_cond=call.time_cond,
        )
        return prediction.split([len(job.ask.x) for job in batch])

    def _arguments(self, batch: Sequence[Job]) -> Call:
        unet, num_tokens = self.model.unet, lcm(*(job.num_tokens for job in batch))
        rows = [(job, conditioning) for job in batch for conditioning in job.conditioning]
        pooled = [conditioning.pooled for _, conditioning in rows if conditioning.pooled is not None]
        return Call(
            x=torch.cat([job.ask.x for job in batch]).to(unet.dtype),
            timesteps=torch.stack([job.ask.timestep for job, _ in rows]).to(unet.device),
            context=torch.stack([repeat_to(c.context, num_tokens) for _, c in rows]).to(unet.dtype),
            pooled=torch.stack(pooled).to(unet.dtype) if pooled else None,
            size_ids=self._size_ids(batch) if pooled else None,
            time_cond=self._time_cond(batch),
        )

    def _time_cond(self, batch: Sequence[Job]) -> Tensor | None:
        """The guidance that each row is to act out by itself, b e; None where the U-Net was not taught to."""
        unet = self.model.unet
        if unet.config.time_cond_dim is None:
            return None
        scales = [job.request.guidance_scale for job in batch for _ in job.ask.x]
        embedded = guidance_embedding(torch.tensor(scales, device=unet.device), unet.config.time_cond_dim)
        return embedded.to(unet.dtype)

    def _size_ids(self, batch: Sequence[Job]) -> Tensor:
        """What each row is told of the picture's size, b 6, or b 5 by the refiner."""
        facts, factor = self.model.family.single_file, self.model.latent_factor
        rows = []
        for job in batch:
            height, width = (side * factor for side in job.ask.x.shape[2:])
            scored = facts is not None and facts.num_sizes == 5
            last = len(job.ask.x) - 1
            rows += [size_ids(height, width, scored=scored, is_negative=i < last) for i in range(last + 1)]
        return torch.tensor(rows, device=self.model.unet.device)

    @torch.inference_mode()
    def _advance(self, job: Job, rows: Tensor | NonFinitePrediction) -> Step:
        if isinstance(rows, NonFinitePrediction):
            return self._step(job, error=rows)
        try:
            job.ask = job.trajectory.send(rows)
        except StopIteration as finished:
            return self._finish(job, finished.value)
        except PictureError as error:
            return self._step(job, error=error)
        job.plan = self._plan(*job.ask.x.shape[2:])
        return self._step(job)

    def _finish(self, job: Job, latent: Tensor) -> Step:
        try:
            image, notes = decode_with_notes(self.model.vae, latent)
        except PictureError as error:
            return self._step(job, error=error)
        plans = self._plans_of(job.request)
        info = make_record(job.request, self.model, plans, job.retries) | notes
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

    def _refused(self, id: int, request: GenerationRequest, error: Exception) -> Step:
        """The only step of a request that failed before its first prediction."""
        count = request.num_steps
        return Step(id=id, request=request, index=count, count=count, preview=None, error=error)


def _runtime(batch: Sequence[Job], backends: Mapping[str, Backend]) -> tuple[AttentionRuntime, RowRecorder]:
    """What a call does its attention with, and who listens, if any of its requests wants maps."""
    recorder = RowRecorder([recording for job in batch for recording in job.recordings])
    return AttentionRuntime(backends, recorder if recorder.is_needed else None), recorder
