"""The sessions of clients, and whether each still reads the answers to its requests."""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock


@dataclass(slots=True)
class _Session:
    address: str
    silent_since: float
    listeners: int = 0


class Sessions:
    """Sessions of clients that sent a request over HTTP. Safe between threads.

    A session is silent while no client reads its answers: nothing is drawn for it, and it may be dropped.

    Args:
        patience: seconds for which a session may be silent.
        max_silent: silent sessions of one address.
        clock: returns seconds; replaced in tests.
    """

    def __init__(
        self, *, patience: float, max_silent: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.patience = patience
        self.max_silent = max_silent
        self._clock = clock
        self._known: OrderedDict[str, _Session] = OrderedDict()  # the longest silent first
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._known)

    def asked(self, session: str, address: str) -> list[str]:
        """Notes a request of a session, and returns the silent sessions of its address above the limit."""
        with self._lock:
            known = self._known.setdefault(session, _Session(address, self._clock()))
            if not known.listeners:
                known.silent_since = self._clock()
                self._known.move_to_end(session)
            silent = [name for name, each in self._silent() if each.address == address]
            return silent[: -self.max_silent]

    @contextmanager
    def listening(self, session: str, address: str) -> Iterator[None]:
        """The context in which a client reads the session's answers."""
        with self._lock:
            known = self._known.setdefault(session, _Session(address, self._clock()))
            known.listeners += 1
        try:
            yield
        finally:
            with self._lock:
                known.listeners -= 1
                known.silent_since = self._clock()
                if self._known.get(session) is known:
                    self._known.move_to_end(session)

    def is_here(self, session: str) -> bool:
        """Whether to draw for a session: a client reads its answers, or it never came over HTTP."""
        with self._lock:
            known = self._known.get(session)
            return known is None or known.listeners > 0

    def overdue(self) -> list[str]:
        """The sessions that have been silent for too long."""
        with self._lock:
            before = self._clock() - self.patience
            return [name for name, each in self._silent() if each.silent_since <= before]

    def most_silent(self) -> str | None:
        """The session that has been silent longest, of the address with most silent ones; None if no session
        is silent."""
        with self._lock:
            silent = self._silent()
            counts = Counter(each.address for _, each in silent)
            return max(silent, key=lambda pair: counts[pair[1].address])[0] if silent else None

    def forget(self, session: str) -> None:
        """Drops a session."""
        with self._lock:
            self._known.pop(session, None)

    def _silent(self) -> list[tuple[str, _Session]]:
        return [(name, each) for name, each in self._known.items() if not each.listeners]
