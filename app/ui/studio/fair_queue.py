"""A bounded queue that serves its visitors in turns."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

from limelight.app.ui.access.visitor import Visitor
from limelight.errors import LimelightError


@runtime_checkable
class Waiting(Protocol):
    """An item of the queue, which belongs to a visitor."""

    @property
    def visitor(self) -> Visitor: ...


T = TypeVar("T", bound=Waiting)


class QueueFull(LimelightError, RuntimeError):
    """The queue is full; the message says how many wait."""


class FairQueue(Generic[T]):
    """Serves addresses in turn, the visitors of an address in turn, and the items of a visitor in order.

    Not safe between threads by itself.

    Args:
        max_waiting: items in the queue.
        max_per_visitor: items of one visitor.
    """

    def __init__(self, max_waiting: int, max_per_visitor: int) -> None:
        self.max_waiting = max_waiting
        self.max_per_visitor = max_per_visitor
        self._lines: OrderedDict[Visitor, deque[T]] = OrderedDict()  # in the order of their turns
        self._served: dict[str, int] = {}  # addresses of those who wait -> when each had its last turn
        self._turn = 0

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def check_room(self, visitor: Visitor, count: int) -> None:
        """Raises QueueFull unless `count` more of this visitor can wait."""
        own = len(self._lines.get(visitor, ()))
        if own + count > self.max_per_visitor:
            raise QueueFull(
                f"{own} of your pictures wait, and {count} more were asked for; at most "
                f"{self.max_per_visitor} may wait: let some finish, or stop them"
            )
        free = self.max_waiting - len(self)
        if count > free + self._displaceable(visitor, count):
            raise QueueFull(
                f"{len(self)} pictures wait here; at most {self.max_waiting} may: try again in a moment"
            )

    def add(self, item: T) -> T | None:
        """Adds an item. A full queue drops the last item of the address with most.

        Returns:
            The item that was dropped, to be notified; None if there was room.

        Raises:
            QueueFull: as `check_room`.
        """
        self.check_room(item.visitor, 1)
        displaced = None
        if len(self) >= self.max_waiting:
            address = self._busiest()
            longest = max(
                (line for visitor, line in self._lines.items() if visitor.address == address), key=len
            )
            displaced = longest[-1]
            self.remove(displaced)
        self._lines.setdefault(item.visitor, deque()).append(item)
        self._served.setdefault(item.visitor.address, self._turn)  # comes after those that wait already
        return displaced

    def take(self, may_begin: Callable[[Visitor], bool]) -> T | None:
        """Removes and returns the next item of a visitor that may begin one; None if there is none. The
        visitor and its address then go to the end."""
        visitor = self._next(may_begin)
        if visitor is None:
            return None
        item = self._lines[visitor].popleft()
        self._lines.move_to_end(visitor)
        self._turn += 1
        self._served[visitor.address] = self._turn
        self._tidy(visitor)
        return item

    def has_next(self, may_begin: Callable[[Visitor], bool]) -> bool:
        """Whether `take` would return an item."""
        return self._next(may_begin) is not None

    def of(self, visitor: Visitor) -> list[T]:
        """The items of a visitor, in order."""
        return list(self._lines.get(visitor, ()))

    def remove(self, item: T) -> bool:
        """Removes an item. Returns whether it was in the queue."""
        line = self._lines.get(item.visitor, deque())
        if item not in line:
            return False
        line.remove(item)
        self._tidy(item.visitor)
        return True

    def position(self, item: T) -> int | None:
        """The position of an item, 1 for the next; None if it is not in the queue."""
        if item not in self._lines.get(item.visitor, ()):
            return None
        rest: FairQueue[T] = FairQueue(self.max_waiting, self.max_per_visitor)
        rest._lines = OrderedDict((visitor, deque(line)) for visitor, line in self._lines.items())
        rest._served, rest._turn = dict(self._served), self._turn
        return next(n for n in range(1, len(self) + 1) if rest.take(lambda _: True) is item)

    def _next(self, may_begin: Callable[[Visitor], bool]) -> Visitor | None:
        able = (visitor for visitor in self._lines if may_begin(visitor))
        return min(able, key=lambda visitor: self._served[visitor.address], default=None)

    def _tidy(self, visitor: Visitor) -> None:
        if not self._lines[visitor]:
            del self._lines[visitor]
        if all(visitor.address != each.address for each in self._lines):
            self._served.pop(visitor.address, None)

    def _counts(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for visitor, line in self._lines.items():
            counts[visitor.address] += len(line)
        return counts

    def _busiest(self) -> str:
        return self._counts().most_common(1)[0][0]

    def _displaceable(self, visitor: Visitor, count: int) -> int:
        """How many items of other addresses `count` more of this visitor may displace: those in excess of
        what the visitor's address will then have."""
        counts = self._counts()
        after = counts[visitor.address] + count
        return sum(max(0, n - after) for address, n in counts.items() if address != visitor.address)
