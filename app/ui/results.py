"""Finished pictures, kept for a while: their maps are there to be downloaded."""

from collections import OrderedDict
from threading import Lock

from app.ui.errors import Forgotten
from pipeline.result import Result


class Results:
    """The newest results, by an id that cannot be guessed. Safe between threads.

    Args:
        max_kept: of all visitors together; the oldest goes first.
    """

    def __init__(self, max_kept: int) -> None:
        self.max_kept = max_kept
        self._kept: OrderedDict[str, tuple[str, Result]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, visitor: str, id: str, result: Result) -> None:
        with self._lock:
            self._kept[id] = visitor, result
            while len(self._kept) > self.max_kept:
                self._kept.popitem(last=False)

    def get(self, id: str) -> Result:
        """Raises Forgotten if it is not there (any more)."""
        with self._lock:
            if id not in self._kept:
                raise Forgotten(
                    "the maps of that picture are no longer kept here; draw it again with its seed"
                )
            return self._kept[id][1]

    def forget(self, visitor: str, besides: frozenset[str] = frozenset()) -> None:
        """Lets go of a visitor's results, but for some."""
        with self._lock:
            for id, (whose, _) in list(self._kept.items()):
                if whose == visitor and id not in besides:
                    del self._kept[id]
