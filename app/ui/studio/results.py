"""Keeps finished pictures for a while, so that clients of the API can read their maps."""

from collections import OrderedDict
from threading import Lock

from limelight.app.ui.access.errors import Forgotten
from limelight.app.ui.access.visitor import Visitor
from limelight.pipeline.results.result import Result


class Results:
    """The newest results, by an id that cannot be guessed. Safe between threads.

    Args:
        max_kept: results in all; the oldest is dropped first.
    """

    def __init__(self, max_kept: int) -> None:
        self.max_kept = max_kept
        self._kept: OrderedDict[str, tuple[Visitor, Result]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, visitor: Visitor, id: str, result: Result) -> None:
        with self._lock:
            self._kept[id] = visitor, result
            while len(self._kept) > self.max_kept:
                self._kept.popitem(last=False)

    def get(self, id: str, visitor: Visitor) -> Result:
        """The result with an id. Raises Forgotten if there is none or the visitor may not read it; the
        message is the same, so that ids cannot be probed."""
        with self._lock:
            owner, result = self._kept.get(id, (None, None))
        if owner is None or result is None or not visitor.may_read(owner):
            raise Forgotten("the maps of that picture are no longer kept here; draw it again with its seed")
        return result

    def forget(self, visitor: Visitor) -> None:
        """Drops a visitor's results."""
        with self._lock:
            for id, (owner, _) in list(self._kept.items()):
                if owner == visitor:
                    del self._kept[id]
