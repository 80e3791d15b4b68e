"""Requests in flight: they join and leave between steps, and share U-Net calls on the way."""

import logging
import warnings
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pipeline.decode import decode_with_notes
from pipeline.draw import draw
from pipeline.errors import NonFinitePrediction, OutOfMemory, PictureError
from pipeline.job import Job, pack
from pipeline.predict import predict
from pipeline.record import make_record
from pipeline.recordings import start_recordings
from pipeline.request import GenerationRequest
from pipeline.result import Result, Step
from pipeline.vocabulary import UnknownWords
from pipeline.words import Word, words_of

if TYPE_CHECKING:
    from pipeline.engine import Engine

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
