"""Samples many requests together: they join and leave between steps, and share U-Net calls."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from limelight.attention import AttentionOrder, AttentionRuntime, Choice, plan
from limelight.pipeline.errors import NonFinitePrediction, OutOfMemory, PictureError, RequestError
from limelight.pipeline.latents.vae import decode_with_notes
from limelight.pipeline.models.model import Model
from limelight.pipeline.out_of_memory import memory_errors
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.drawer import PictureDrawer
from limelight.pipeline.results.result import Result, Step, make_record
from limelight.pipeline.sampling.begin import begin
from limelight.pipeline.sampling.compiled import Graphs, check_compiled
from limelight.pipeline.sampling.edits.inversion import base_psnr
from limelight.pipeline.sampling.job import Job, RowLimit, pack
from limelight.pipeline.sampling.masked_part import put_back
from limelight.pipeline.sampling.passes import fitted
from limelight.pipeline.sampling.predict import predict
from limelight.pipeline.sampling.sampler import ChangeOf
from limelight.pipeline.sampling.steering import check_steering

logger = logging.getLogger(__name__)
Plan = Mapping[str, Choice]  # site -> choice


class Session:
    """The requests that one thread has in flight.

    Requests of one size share calls, whatever their other fields; sizes take turns, and so do requests where
    there are more than fit in a call.
    """

    def __init__(self, engine: "Engine", *, later: bool, change: ChangeOf | None = None) -> None:
        self.engine = engine
        self.later = later
        self.change = change
        self._jobs: deque[Job] = deque()
        self._ended: deque[tuple[Job, Tensor]] = deque()  # without a prediction
        self._num_added = 0
        self._row_limit = RowLimit()

    @property
    def is_busy(self) -> bool:
        """Whether there is something to step."""
        return bool(self._jobs or self._ended)

    @property
    def max_rows(self) -> int:
        """Predictions in one call: the engine's, or fewer for a while after a lack of memory."""
        return self._row_limit.of(self.engine.max_rows)

    @property
    def free_rows(self) -> int:
        """Rows of a call that are still free; a guided request takes two."""
        return self.max_rows - sum(job.num_rows for job in self._jobs)

    @torch.inference_mode()
    def add(self, request: GenerationRequest) -> int:
        """Begins a request and returns its number, which its steps carry. Numbers count from 0; a refused
        request uses up one too.

        Raises:
            RequestError: the model cannot draw the request.
            PictureError: the VAE overflowed on its image, or memory is short.
        """
        id, self._num_added = self._num_added, self._num_added + 1
        model, request = self.engine.model, self.engine.resolve(request)
        if request.is_steered:
            check_steering(request, model.unet, self.engine.plans_of(request))
        attention = self.engine.attention(request.width, request.height)
        change = None if self.change is None else partial(self.change, id)
        max_rows = 1 if self.engine.exact else self.max_rows
        job, latent = begin(id, request, model, attention, max_rows, change)
        if latent is None:
            self._jobs.append(job)
        else:
            self._ended.append((job, latent))
        return id

    def abort(self, id: int) -> bool:
        """Drops a request and frees what it holds. Returns whether it was in flight."""
        num_before = len(self._jobs) + len(self._ended)
        self._jobs = deque(job for job in self._jobs if job.id != id)
        self._ended = deque(pair for pair in self._ended if pair[0].id != id)
        return len(self._jobs) + len(self._ended) < num_before

    def step(self) -> list[Step]:
        """Makes one U-Net call and returns a step for each prediction in it; a call for gradients has none.

        A request that fails brings its error in its last step, and the others go on. Where memory is too
        small for the call, the requests stay as they are, `max_rows` of this session is halved for a while,
        and no step is returned; a request for which there is no memory by itself fails.
        """
        if self._ended:
            return [self._finished(*self._ended.popleft())]
        batch = pack(self._jobs, 1 if self.engine.exact else self.max_rows)
        try:
            with memory_errors():
                rows = predict(self.engine.model, batch, self.engine.graphs)
        except torch.OutOfMemoryError as error:
            return self._shrink(batch, str(error).partition("\n")[0])
        self._row_limit.count_call(self.engine.max_rows)
        steps = [self._advance(job, answer) for job, answer in zip(batch, rows, strict=True)]
        return [step for step in steps if step is not None]

    def _shrink(self, batch: Sequence[Job], reason: str) -> list[Step]:
        if len(batch) == 1:
            brief = f"not enough memory for one picture of this size: {reason}; draw a smaller one"
            return [self._step(batch[0], error=OutOfMemory(brief))]
        self._jobs.extendleft(reversed(batch))
        num_rows = sum(job.num_rows for job in batch)
        limit = self._row_limit.lower(num_rows)
        logger.warning("not enough memory for %d predictions; going on with %d", num_rows, limit)
        return []

    @torch.inference_mode()
    def _advance(self, job: Job, rows: Tensor | NonFinitePrediction) -> Step | None:
        if isinstance(rows, NonFinitePrediction):
            return self._step(job, error=rows)
        was_led = job.asked.wants_gradient
        try:
            job.send(rows)
        except StopIteration as finished:
            return self._finished(job, finished.value)
        except PictureError as error:
            return self._step(job, error=error)
        if job.num_drawn == job.num_recorded and not was_led:  # the second pass has another size
            job.attention = self.engine.attention(*job.request.final_size)
        self._jobs.append(job)
        return None if was_led else self._step(job, job.index)

    def _finished(self, job: Job, latent: Tensor) -> Step:
        finish = partial(self._result, job, latent)
        if self.later:
            return self._step(job, finish=finish)
        try:
            return self._step(job, result=finish())
        except PictureError as error:
            return self._step(job, error=error)

    def _result(self, job: Job, latent: Tensor) -> Result:
        model = self.engine.model
        image, notes = decode_with_notes(model.vae, latent[-1:])
        base = decode_with_notes(model.vae, latent[:1])[0] if len(latent) == 2 else None
        if job.request.padding_mask_crop is not None:
            image = put_back(job.request, image)
        info = make_record(job.request, model, self.engine.plans_of(job.request), job.retries)
        if base is not None and job.request.is_inverted:
            notes["base_psnr"] = base_psnr(job.request, base)
        if (factor := job.request.enlarge) is not None:
            notes["enlarged"] = model.enlarger.record(image, factor)
            image = model.enlarger.enlarge(image, factor)
            base = base and model.enlarger.enlarge(base, factor)
        info |= {**job.notes, **notes} | ({"changed": "by a function of the caller's"} if self.change else {})
        if (maps := job.heatmaps) is not None:
            maps = replace(maps, drawer=PictureDrawer(image, job.request.seed))
        of_base = job.base_heatmaps
        if of_base is not None and base is not None:
            of_base = replace(of_base, drawer=PictureDrawer(base, job.request.seed))
        return Result(
            image=image,
            request=job.request,
            info=info,
            maps=maps,
            latent=latent[-1:],
            base=base,
            base_maps=of_base,
        )

    def _step(self, job: Job, index: int | None = None, **outcome: Any) -> Step:
        """A step of a request; its last one, if no index is given."""
        model, denoised = self.engine.model, job.asked.denoised
        return Step(
            id=job.id,
            request=job.request,
            index=job.index + 1 if index is None else index,
            count=job.num_predictions,
            preview=partial(model.preview.draw, denoised) if denoised is not None else None,
            maps=job.heatmaps,
            **outcome,
        )


class Engine:
    """Draws requests with a model, a plan of backends for each size, and at most `max_rows` predictions in a
    U-Net call.

    Args:
        exact: a call for each request, so that its bits are the same whatever is drawn with it; without it
            they are within rounding of one step of 1/255.
        graphs: the model's U-Net compiled; None calls it as it is.
    """

    def __init__(
        self,
        model: Model,
        order: AttentionOrder | None = None,
        *,
        max_rows: int = 8,
        exact: bool = False,
        graphs: Graphs | None = None,
    ) -> None:
        self.model = model
        self.order = order
        self.max_rows = max_rows
        self.exact = exact
        self.graphs = graphs
        self._plans: dict[tuple[int, int], Plan] = {}
        self._attention: dict[tuple[int, int], AttentionRuntime] = {}

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the model's values in its open fields.

        Raises:
            RequestError: the model cannot draw the request.
        """
        if request.clip_skip > (limit := self.model.text.max_clip_skip):
            raise RequestError(f"clip_skip is {request.clip_skip}; must be from 1 to {limit} for this model")
        if self.graphs is not None:
            check_compiled(request)
        height, width = self.model.native_size
        resolved = request.resolved(
            width=width, height=height, guidance_scale=self.model.family.guidance_scale, scheduler="model"
        )
        return fitted(resolved, self.model)

    def plan(self, request: GenerationRequest) -> Plan:
        """Which backend every attention site gets for a picture of this size.

        Raises:
            BackendRefused: the order cannot be obeyed, or a backend takes no painted words.
            RequestError: the model cannot draw the request.
        """
        plans = self.plans_of(resolved := self.resolve(request))
        if resolved.is_steered:
            check_steering(resolved, self.model.unet, plans)
        return plans[0]

    def plans_of(self, request: GenerationRequest) -> list[Plan]:
        """The plan of each pass of a resolved request."""
        sizes = dict.fromkeys([(request.width, request.height), request.final_size])
        return [self.plan_of(*self.model.latent_shape(h, w)[1:]) for w, h in sizes if w and h]

    def plan_of(self, height: int, width: int) -> Plan:
        """Which backend every attention site gets at a latent of this size."""
        if (height, width) not in self._plans:
            unet = self.model.unet
            specs = unet.attention_specs(height, width, self.model.text.length, batch=self.max_rows)
            kinds = {site.name: site.kind for site in unet.sites}
            self._plans[height, width] = plan(specs, kinds, self.order)
        return self._plans[height, width]

    def attention(self, width: int | None, height: int | None) -> AttentionRuntime:
        """The plan for pictures of this size, as calls take it; they share what they have checked."""
        assert width is not None and height is not None, "the request is not resolved"
        if (width, height) not in self._attention:
            plan = self.plan_of(*self.model.latent_shape(height, width)[1:])
            backends = {site: choice.backend for site, choice in plan.items()}
            self._attention[width, height] = AttentionRuntime(backends)
        return self._attention[width, height]

    def session(self, *, later: bool = False, change: ChangeOf | None = None) -> Session:
        """A new session, with nothing in flight.

        Args:
            later: leave the decoding of finished pictures to the caller, by `Step.finish`.
        """
        self.model.hash.start()  # computed while the first picture is drawn, whose record needs it
        return Session(self, later=later, change=change)

    def run(self, requests: Iterable[GenerationRequest], change: ChangeOf | None = None) -> Iterator[Step]:
        """Yields a `Step` for every prediction of every request; stop iterating to cancel.

        A request that fails brings its error in its last step, and the others go on.

        Args:
            change: called after each scheduler step with the request's number, the step of its pass, from 0,
                and the latent, 1 c h w; it may return another.
        """
        session, waiting = self.session(change=change), enumerate(requests)
        while True:
            while session.free_rows > 0 and (pair := next(waiting, None)):
                try:
                    session.add(pair[1])
                except PictureError as error:
                    yield Step.refused(*pair, error)
            if not session.is_busy:
                return
            yield from session.step()
