"""Checks of finished pictures by the model that drew them, in between the steps of other pictures."""

import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from threading import Lock

from limelight.app.ui.access.log import place_of
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.studio.fair_queue import QueueFull
from limelight.pipeline.errors import PictureError
from limelight.pipeline.reading.check import Check

log = logging.getLogger(__name__)
BROKEN = "an error in the server, which its log describes; the words could not be checked"
REST = 4.0  # times as long as a call of a check took, others are drawn before the next: a quarter slower


@dataclass(slots=True, eq=False)
class CheckJob:
    """A check that is under way.

    Attributes:
        parts: gives the share that is done after each call of the U-Net, and at its end the check.
        notify: is called in the worker's thread after every change.
        share: 0 to 1.
        error: why there is no check.
    """

    visitor: Visitor
    parts: Generator[float, None, Check]
    notify: Callable[[], None]
    share: float = 0.0
    found: Check | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        return self.found is not None or bool(self.error)


class Checks:
    """The checks of all visitors, at most one of each, in turns. Only the worker advances them.

    Args:
        max_open: checks of all visitors.
        is_here: whether to work for a session.
    """

    def __init__(self, max_open: int, is_here: Callable[[str], bool]) -> None:
        self.max_open = max_open
        self._is_here = is_here
        self._jobs: deque[CheckJob] = deque()
        self._lock = Lock()
        self._took = self._ended = 0.0  # seconds of the last call, and when it ended

    def add(self, job: CheckJob) -> None:
        """Adds a check; it replaces the one that its visitor has.

        Raises:
            QueueFull: there is no room.
        """
        self.forget(job.visitor)
        with self._lock:
            if len(self._jobs) >= self.max_open:
                raise QueueFull(
                    f"{len(self._jobs)} pictures are being checked; at most {self.max_open} may be: "
                    "try again in a moment"
                )
            self._jobs.append(job)

    def forget(self, visitor: Visitor) -> None:
        """Ends the check of a visitor who leaves, or draws the next picture."""
        for job in self._of(visitor):
            self.stop(job)

    def stop(self, job: CheckJob) -> None:
        """Ends a check, if it is not over."""
        with self._lock:
            if job in self._jobs:
                self._jobs.remove(job)
        if not job.is_over:
            job.error = "the check was stopped"
            job.notify()

    def has_next(self) -> bool:
        """Whether `advance` has something to do."""
        return self._next() is not None

    def advance(self, *, is_drawing: bool) -> None:
        """Makes the next call of the check whose turn it is; while pictures are drawn, only now and then."""
        began = time.monotonic()
        is_early = is_drawing and began < self._ended + REST * self._took
        job = None if is_early else self._next()
        if job is None:
            return
        try:
            job.share = next(job.parts)
        except StopIteration as end:
            job.found = end.value
        except (ValueError, PictureError) as error:  # refusals are ValueErrors
            job.error = str(error)
        except Exception as error:
            log.error("a check broke: %s", place_of(error))
            job.error = BROKEN
        self._ended = time.monotonic()
        self._took = self._ended - began
        with self._lock:
            if job in self._jobs:
                self._jobs.remove(job)
                if not job.is_over:
                    self._jobs.append(job)
        job.notify()

    def _next(self) -> CheckJob | None:
        with self._lock:
            return next((job for job in self._jobs if self._is_here(job.visitor.session)), None)

    def _of(self, visitor: Visitor) -> list[CheckJob]:
        with self._lock:
            return [job for job in self._jobs if job.visitor == visitor]
