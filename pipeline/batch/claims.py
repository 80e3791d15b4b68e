"""Decides which rows a worker draws: first its own, then those that others have not begun, then those that
dead workers left."""

from collections import deque
from collections.abc import Sequence

from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import WorkerLock, mutex
from limelight.pipeline.batch.world import World

MAX_BLOCK = 64  # rows claimed at a time


class Claims:
    """Claims rows for a worker, so that no row is claimed by two.

    The key of a row decides its part. Blocks become smaller towards the end of the work. A worker that has
    finished its part takes rows from the end of the largest remaining part.
    """

    def __init__(
        self, ledger: Ledger, journal: Journal, lock: WorkerLock, world: World, keys: Sequence[str]
    ) -> None:
        self._ledger, self._journal, self._lock, self._world = ledger, journal, lock, world
        self._parts: list[deque[str]] = [deque() for _ in range(world.size)]
        for key in keys:
            if not ledger.is_settled(key):
                self._parts[int(key[:8], 16) % world.size].append(key)
        self._open = {key for part in self._parts for key in part}

    def claim(self, least: int) -> list[str]:
        """The rows to draw next; empty if all rows are taken.

        Args:
            least: how many rows are drawn at a time.
        """
        self._ledger.read()  # most of the reading happens before others have to wait
        with mutex(self._lock.journal):
            self._ledger.read()
            keys = self._choose(max(least, min(MAX_BLOCK, self._num_free() // (4 * self._world.size))))
            if keys:
                self._journal.append({"claim": keys}, flush=True)
        return keys

    def num_unsettled(self) -> int:
        self._ledger.read()
        self._open -= self._ledger.done.keys()
        self._open -= self._ledger.failed.keys()
        return len(self._open)

    def _num_free(self) -> int:
        return sum(len(part) for part in self._parts)

    def _choose(self, most: int) -> list[str]:
        own = self._parts[self._world.rank]
        keys = self._take(own, most, from_end=False)
        if not keys:
            for part in sorted(self._parts, key=len, reverse=True):
                if keys := self._take(part, most, from_end=True):
                    break
        return keys or self._take(deque(self._orphans()), most, from_end=False)

    def _take(self, part: deque[str], most: int, *, from_end: bool) -> list[str]:
        keys: list[str] = []
        while part and len(keys) < most:
            key = part.pop() if from_end else part.popleft()
            if not self._ledger.is_taken(key):
                keys.append(key)
        return keys

    def _orphans(self) -> list[str]:
        """Rows that dead workers claimed and will not draw."""
        keys: set[str] = set()
        for worker, claimed in list(self._ledger.claims.items()):
            left = {key for key in claimed & self._open if not self._ledger.is_settled(key)}
            if left and worker != self._world.worker and self._lock.is_dead(worker):
                self._journal.append({"dead": worker, "run": self._world.run})
                keys |= left
                del self._ledger.claims[worker]
                self._ledger.dead.add(worker)
        return sorted(keys)
