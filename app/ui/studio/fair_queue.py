"""A bounded queue that serves its visitors in turns."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from limelight.errors import LimelightError


@runtime_checkable
class Waiting(Protocol):
    """Something that waits for a visitor."""

    @property
    def visitor(self) -> Hashable: ...


T = TypeVar("T", bound=Waiting)


class QueueFull(LimelightError, RuntimeError):
    """No more can wait; the message says how many do."""


class FairQueue(Generic[T]):
    """First come, first served, one of each visitor after the other. Not safe between threads by itself.

    Args:
        max_waiting: of all visitors together.
        max_per_visitor: of one.
    """

    def __init__(self, max_waiting: int, max_per_visitor: int) -> None:
        self.max_waiting = max_waiting
        self.max_per_visitor = max_per_visitor
        self._lines: OrderedDict[Hashable, deque[T]] = OrderedDict()  # whose turn is next comes first

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def check_room(self, visitor: Hashable, count: int) -> None:
        """Raises QueueFull unless `count` more of this visitor can wait."""
        own = len(self._lines.get(visitor, ()))
        if own + count > self.max_per_visitor:
            raise QueueFull(
                f"{own} of your pictures wait, and {count} more were asked for; at most "
                f"{self.max_per_visitor} may wait: let some finish, or stop them"
            )
        if len(self) + count > self.max_waiting:
            raise QueueFull(
                f"{len(self)} pictures wait here; at most {self.max_waiting} may: try again in a moment"
            )

    def add(self, item: T) -> None:
        self.check_room(item.visitor, 1)
        self._lines.setdefault(item.visitor, deque()).append(item)

    def take(self, may_begin: Callable[[Hashable], bool]) -> T | None:
        """The next in turn whose visitor may begin another, and whose next turn comes after all others'."""
        for visitor, line in self._lines.items():
            if may_begin(visitor):
                item = line.popleft()
                self._lines.move_to_end(visitor)
                if not line:
                    del self._lines[visitor]
                return item
        return None

    def of(self, visitor: Hashable) -> list[T]:
        """What waits for a visitor, in order."""
        return list(self._lines.get(visitor, ()))

    def remove(self, item: T) -> bool:
        """Takes one out of the queue; False if it does not wait (any more)."""
        line = self._lines.get(item.visitor, deque())
        if item not in line:
            return False
        line.remove(item)
        if not line:
            del self._lines[item.visitor]
        return True

    def position(self, item: T) -> int | None:
        """1 for the one that is next, 2 for the one after; None if it does not wait."""
        lines = [list(line) for line in self._lines.values()]
        turns = (line[turn] for turn in range(self.max_per_visitor) for line in lines if turn < len(line))
        return next((number for number, each in enumerate(turns, 1) if each is item), None)
