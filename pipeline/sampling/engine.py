"""Samples many requests together: they join and leave between steps, and share U-Net calls."""

import logging
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from limelight.attention import AttentionOrder, plan
from limelight.pipeline.errors import NonFinitePrediction, OutOfMemory, PictureError, RequestError
from limelight.pipeline.latents.vae import decode_with_notes
from limelight.pipeline.maps.recordings import start_recordings
from limelight.pipeline.models.model import Model
from limelight.pipeline.out_of_memory import memory_errors
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.provenance import make_record
from limelight.pipeline.results.result import Result, Step
from limelight.pipeline.sampling.compiled import Graphs
from limelight.pipeline.sampling.job import Job, Plan, pack
from limelight.pipeline.sampling.passes import draw, fitted
from limelight.pipeline.sampling.predict import predict
from limelight.pipeline.text.vocabulary import UnknownWords
from limelight.pipeline.text.words import Word, words_of

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)


class Session:
    """The requests that one thread has in flight.

    Requests of one size share calls, whatever their prompts, steps, schedulers and guidance; sizes take
    turns, and so do requests where there are more than fit in a call.
    """

    def __init__(self, engine: "Engine", *, later: bool) -> None:
        self.engine = engine
        self.later = later
        self._jobs: deque[Job] = deque()
        self._num_added = 0

    @property
    def is_busy(self) -> bool:
        """Whether there is something to step."""
        return bool(self._jobs)

    @property
    def free_rows(self) -> int:
        """How many more predictions fit in a call; a guided request asks for two."""
        return self.engine.max_rows - sum(len(job.ask.x) for job in self._jobs)

    @torch.inference_mode()
    def add(self, request: GenerationRequest) -> int:
        """Begins a request, beside those in flight, and returns the number that its steps bear: 0 for the
        first, and one more for each that is given, refused ones too.

        Raises:
            RequestError: the model cannot do what is asked for.
            PictureError: there is no beginning: the VAE overflowed on the request's image.
        """
        id, self._num_added = self._num_added, self._num_added + 1
        model = self.engine.model
        request = self.engine.resolve(request)
        plan = self.engine.plans_of(request)[0]
        trajectory = draw(request, model)
        prompt = model.text.prompt(request.prompt, clip_skip=request.clip_skip)
        self._warn_of_unknown_words(words_of(request.prompt, prompt.tokens))
        negative = model.text.negative(request.negative_prompt) if request.is_guided else prompt
        ask = next(trajectory)
        recorded = start_recordings(request, model, negative, prompt, ask.count)
        self._jobs.append(Job(id, request, negative, prompt, plan, trajectory, ask, recorded))
        return id

    def abort(self, id: int) -> bool:
        """Lets go of a request and of all that it holds; False if it is not in flight (any more)."""
        kept = deque(job for job in self._jobs if job.id != id)
        is_found = len(kept) < len(self._jobs)
        self._jobs = kept
        return is_found

    def step(self) -> list[Step]:
        """Makes one U-Net call and returns a step for each request in it.

        A request that fails brings its error in its last step, and the others go on. Where memory is too
        small for the call, nothing is lost: the requests stay as they are, the engine's `max_rows` is halved,
        and no step is returned; a request for which there is no memory by itself fails.
        """
        batch = pack(self._jobs, 1 if self.engine.exact else self.engine.max_rows)
        try:
            with memory_errors():
                rows = predict(self.engine.model, batch, self.engine.graphs)
        except torch.OutOfMemoryError as error:
            return self._shrink(batch, str(error))
        steps = []
        for job, prediction in zip(batch, rows, strict=True):
            step = self._advance(job, prediction)
            if not step.is_last:
                self._jobs.append(job)
            steps.append(step)
        return steps

    def _shrink(self, batch: Sequence[Job], reason: str) -> list[Step]:
        if len(batch) == 1:
            brief = reason.partition("\n")[0]
            error = OutOfMemory(
                f"not enough memory for one picture of this size: {brief}; draw a smaller one"
            )
            return [self._last(batch[0], error=error)]
        self._jobs.extendleft(reversed(batch))
        num_rows = sum(len(job.ask.x) for job in batch)
        self.engine.max_rows = max(1, num_rows // 2)
        logger.warning(
            "not enough memory for %d predictions; going on with %d", num_rows, self.engine.max_rows
        )
        return []

    def _warn_of_unknown_words(self, words: Sequence[Word]) -> None:
        vocabulary = self.engine.model.vocabulary
        typed = [word.text for word in words if not word.is_learned]
        if vocabulary is not None and (unknown := vocabulary.unknown(typed)):
            warnings.warn(vocabulary.explain(unknown), UnknownWords, stacklevel=2)

    @torch.inference_mode()
    def _advance(self, job: Job, rows: Tensor | NonFinitePrediction) -> Step:
        if isinstance(rows, NonFinitePrediction):
            return self._last(job, error=rows)
        try:
            job.ask = job.trajectory.send(rows)
        except StopIteration as finished:
            return self._finished(job, finished.value)
        except PictureError as error:
            return self._last(job, error=error)
        job.plan = self.engine.plan_of(*job.ask.x.shape[2:])
        return self._step(job, job.ask.index)

    def _finished(self, job: Job, latent: Tensor) -> Step:
        finish = partial(self._result, job, latent)
        if self.later:
            return self._last(job, finish=finish)
        try:
            return self._last(job, result=finish())
        except PictureError as error:
            return self._last(job, error=error)

    def _result(self, job: Job, latent: Tensor) -> Result:
        model = self.engine.model
        image, notes = decode_with_notes(model.vae, latent)
        info = make_record(job.request, model, self.engine.plans_of(job.request), job.retries) | notes
        return Result(image=image, request=job.request, info=info, maps=job.maps(model))

    def _last(self, job: Job, **outcome: Any) -> Step:
        return self._step(job, job.ask.index + 1, **outcome)

    def _step(self, job: Job, index: int, **outcome: Any) -> Step:
        model, denoised = self.engine.model, job.ask.denoised
        return Step(
            id=job.id,
            request=job.request,
            index=index,
            count=job.ask.count,
            preview=partial(model.preview.draw, denoised) if denoised is not None else None,
            maps=job.maps(model),
            **outcome,
        )


def refused(id: int, request: GenerationRequest, error: PictureError) -> Step:
    """The only step of a request that failed before its first prediction."""
    count = request.num_steps
    return Step(id=id, request=request, index=count, count=count, preview=None, error=error)


class Engine:
    """What requests are drawn with: a model, a plan of backends for each size, and room for `max_rows`
    predictions in a U-Net call.

    Args:
        exact: a call for each request, so that its pixels are the same bit for bit whatever is drawn
            beside it; without it they are within rounding of one step of 1/255.
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

    def resolve(self, request: GenerationRequest) -> GenerationRequest:
        """The request with the model's values in its open fields.

        Raises:
            RequestError: the model cannot do what is asked for.
        """
        if request.clip_skip > (limit := self.model.text.max_clip_skip):
            raise RequestError(f"clip_skip is {request.clip_skip}; must be from 1 to {limit} for this model")
        if self.graphs is not None and request.lossy_cache_interval > 1:
            raise RequestError(
                f"lossy_cache_interval is {request.lossy_cache_interval}; a compiled U-Net computes every "
                "prediction whole: set it to 1, or leave compile out"
            )
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
        return self.plans_of(self.resolve(request))[0]

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

    def session(self, *, later: bool = False) -> Session:
        """Nothing in flight yet.

        Args:
            later: leave the decoding of finished pictures to whoever takes their last step (`Step.finish`).
        """
        self.model.hash.start()  # it goes into every picture's record, and is there by then
        return Session(self, later=later)

    def run(self, requests: Iterable[GenerationRequest]) -> Iterator[Step]:
        """Yields a `Step` for every prediction of every request; stop iterating to cancel.

        A request that fails brings its error in its last step, and the others go on.
        """
        session, waiting = self.session(), enumerate(requests)
        while True:
            while session.free_rows > 0 and (pair := next(waiting, None)):
                try:
                    session.add(pair[1])
                except PictureError as error:
                    yield refused(*pair, error)
            if not session.is_busy:
                return
            yield from session.step()
