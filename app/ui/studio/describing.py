"""The describer of the page, which all visitors share."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.studio.fair_queue import QueueFull
from limelight.pipeline.describer.default import DefaultDescriber

T = TypeVar("T")


class Describing:
    """The describer, loaded when it is first asked. One thread of its own asks it, so that pictures are drawn
    meanwhile and visitors never meet in it.

    Args:
        load: makes the describer; replaced in tests.
    """

    def __init__(
        self, limits: Limits, load: Callable[[], DefaultDescriber] = DefaultDescriber.from_pretrained
    ) -> None:
        self.limits = limits
        self._load = load
        self._describer: DefaultDescriber | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="studio-describer")
        self._open: Counter[str] = Counter()  # by address; the event loop's alone

    async def run(self, visitor: Visitor, act: Callable[[DefaultDescriber], T]) -> T:
        """The result of an action on the describer.

        Raises:
            QueueFull: too many pictures of this address, or of all, wait.
            ModelError: the describer cannot be loaded.
        """
        with self._counted(visitor.address):
            return await asyncio.wrap_future(self._thread.submit(self._act, act))

    def close(self) -> None:
        """Returns when the last action has ended; those that wait are dropped."""
        self._thread.shutdown(cancel_futures=True)

    @contextmanager
    def _counted(self, address: str) -> Iterator[None]:
        most, most_of_one = self.limits.max_describing, self.limits.max_describing_per_address
        if self._open.total() >= most or self._open[address] >= most_of_one:
            raise QueueFull(
                f"{self._open[address]} pictures of yours and {self._open.total()} of all are being read; "
                f"at most {most_of_one} and {most} may be: try again in a moment"
            )
        self._open[address] += 1
        try:
            yield
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

    def _act(self, act: Callable[[DefaultDescriber], T]) -> T:
        if self._describer is None:
            self._describer = self._load()
        return act(self._describer)
