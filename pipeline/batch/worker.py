"""Keeps an engine full of the rows that a worker claims, and encodes their prompts ahead of time."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field

import torch

from limelight.pipeline.batch.claims import Claims
from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.journal import Ledger
from limelight.pipeline.batch.rows.file_names import FileNames
from limelight.pipeline.batch.rows.rows import Row
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.writer import Finished, Writer
from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.errors import OutOfMemory
from limelight.pipeline.reading.check import checked
from limelight.pipeline.reading.described_check import with_described
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import SyntaxName
from limelight.pipeline.results.result import Result, Step
from limelight.pipeline.sampling.engine import Engine, Session
from limelight.pipeline.text.encoder import TextEncoder

logger = logging.getLogger(__name__)


class Prefetch:
    """A thread that fills the text encoder's cache.

    An error in a prompt is reported when the row is drawn, which then encodes it again.
    """

    def __init__(self, text: TextEncoder) -> None:
        self._text = text
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._given: dict[tuple[str, int, SyntaxName], Future[None]] = {}

    def encode(self, request: GenerationRequest) -> None:
        """Encodes a prompt after those given before."""
        key = _key(request)
        if key not in self._given:
            self._given[key] = self._thread.submit(self._encode, *key)

    def leave(self, request: GenerationRequest) -> None:
        """Gives up a prompt that the caller needs now. If its encoding has begun, waits for it to end."""
        given = self._given.pop(_key(request), None)
        if given is not None and not given.cancel():
            wait((given,))

    def stop(self) -> None:
        """Drops the prompts whose encoding has not begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    @torch.inference_mode()
    def _encode(self, prompt: str, clip_skip: int, syntax: SyntaxName) -> None:
        self._text.prompt(prompt, clip_skip=clip_skip, syntax=syntax)


def _key(request: GenerationRequest) -> tuple[str, int, SyntaxName]:
    """A key that is equal for requests with the same encoded prompts."""
    return request.prompt, request.clip_skip, request.prompt_syntax


PAUSE = 0.2  # seconds between looks at what others do
REPORT = 0.5  # seconds between reports


@dataclass(slots=True)
class Worker:
    """Draws the rows that it claims, until none is left for any worker.

    Attributes:
        rows: the rows of the manifest by key.
        report: is called with the number of rows that no worker has drawn yet.
        checks: whether every picture is checked word by word.
    """

    engine: Engine
    rows: Mapping[str, Row]
    claims: Claims
    ledger: Ledger
    writer: Writer
    stop: Stop
    names: FileNames
    report: Callable[[int], None]
    checks: bool = False
    _describer: DefaultDescriber | None = None
    _reported: float = 0.0
    _waiting: deque[str] = field(default_factory=deque)
    _alone: set[str] = field(default_factory=set)  # to be drawn one at a time
    _flying: dict[int, tuple[str, float]] = field(default_factory=dict)  # id -> key, when it was begun

    def run(self) -> None:
        """Draws until all rows are settled, or until a stop is requested.

        Raises:
            OutputLost: the folder is full, or gone.
        """
        prefetch = Prefetch(self.engine.model.text)
        with self.stop.deferred():
            try:
                self._draw(prefetch)
                if not self.stop.is_requested:
                    self.writer.drain()
            finally:
                prefetch.stop()
                self.writer.stop()
        if self.writer.error is not None:
            raise self.writer.error

    def _draw(self, prefetch: Prefetch) -> None:
        session = self.engine.session(later=True)
        takes_turns = self.engine.model.unet.execution_device is not None
        decodes_here = takes_turns or self.checks or any(map(_needs_vae_to_begin, self.rows.values()))
        is_exhausted = False
        while not self.stop.is_requested and self.writer.error is None:
            self._tell()
            if not self._waiting and session.free_rows > 0 and not (is_exhausted and session.is_busy):
                claimed = self.claims.claim(max(1, self.engine.max_rows // 2))
                is_exhausted = not claimed
                self._waiting += claimed
                for key in claimed if not takes_turns else ():
                    with suppress(Exception):  # reported when the row is drawn
                        prefetch.encode(self.rows[key].request())
            self._begin_waiting(session, prefetch)
            if not session.is_busy:
                if not self._waiting and self.writer.is_idle and not self.claims.num_unsettled():
                    return
                if not self._waiting and is_exhausted:
                    self._wait()
                continue
            for step in self._step(session):
                if step.is_last:
                    self._settle(step, *self._flying.pop(step.id), decode_here=decodes_here)

    def _step(self, session: Session) -> list[Step]:
        """The session's step. If it raises, every row in it is drawn again alone; a row that raises alone has
        failed."""
        try:
            return session.step()
        except OutputLost:
            raise
        except Exception as error:
            logger.warning(
                "a step of %d rows broke off: %s: %s", len(self._flying), type(error).__name__, error
            )
            keys = [key for key, _ in self._flying.values()]
            for id in self._flying:
                session.abort(id)
            self._flying.clear()
            if len(keys) == 1:
                self.writer.fail(keys[0], error)
            else:
                self._alone.update(keys)
                self._waiting.extendleft(reversed(keys))
            return []

    def _wait(self) -> None:
        """Waits a moment, for its own pictures to be written or for other workers."""
        if self.writer.is_idle:
            time.sleep(PAUSE)
        else:
            self.writer.drain(PAUSE)

    def _begin_waiting(self, session: Session, prefetch: Prefetch) -> None:
        while self._waiting and session.free_rows > 0:
            if session.is_busy and (self._waiting[0] in self._alone or self._flying_alone()):
                return
            key = self._waiting.popleft()
            try:
                request = self.rows[key].request()
                prefetch.leave(request)
                self._flying[session.add(request)] = key, time.monotonic()
            except (torch.OutOfMemoryError, OutOfMemory) as error:
                if session.is_busy:  # there may be memory when other requests are finished
                    self._waiting.appendleft(key)
                    return
                self.writer.fail(key, error)
            except OutputLost:
                raise
            except Exception as error:  # whatever it is, it is this row's
                self.writer.fail(key, error)

    def _flying_alone(self) -> bool:
        return any(key in self._alone for key, _ in self._flying.values())

    def _settle(self, step: Step, key: str, begun: float, *, decode_here: bool) -> None:
        if step.error is not None:
            self.writer.fail(key, step.error)
            return
        finish = step.finish
        assert finish is not None
        if decode_here:
            try:
                result = finish()
                if self.checks:
                    result = self._checked(result)
            except Exception as error:  # whatever it is, it is this row's
                self.writer.fail(key, error)
                return
            finish = _already(result)
        file = self.names.of(self.rows[key], key)
        self.writer.put(Finished(self.rows[key], key, file, finish, begun))

    def _checked(self, result: Result) -> Result:
        """The picture with its check; without one, and with a warning, if the check fails."""
        try:
            if self._describer is None:
                self._describer = DefaultDescriber.from_pretrained()
            return with_described(checked(self.engine, result), self._describer)
        except Exception as error:  # the picture is whole all the same
            logger.warning("%s could not be checked: %s", result.file_name, error)
            return result

    def _tell(self) -> None:
        if (now := time.monotonic()) - self._reported >= REPORT:
            self._reported = now
            self.report(self.claims.num_unsettled())


def _needs_vae_to_begin(row: Row) -> bool:
    """Whether a row needs the VAE before its last step, which only one thread may use at a time."""
    return bool(row.values.get("image") or row.values.get("hires_scale"))


def _already(result: Result) -> Callable[[], Result]:
    return lambda: result
