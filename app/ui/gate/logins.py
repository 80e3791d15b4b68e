"""Limits how often an address may try a password."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from limelight.app.ui.gate.refused import Refused

MAX_ADDRESSES = 10_000  # remembered at once


class Logins:
    """Counts wrong passwords by address.

    Args:
        most: wrong passwords within `seconds`; then the address has to wait.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.seconds = seconds
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raises Refused while the address has to wait."""
        wrong = self._wrong.get(address, deque())
        while wrong and wrong[0] <= self._clock() - self.seconds:
            wrong.popleft()
        if len(wrong) >= self.most:
            left = round(wrong[0] + self.seconds - self._clock())
            raise Refused(429, f"{len(wrong)} wrong passwords came from here; try again in {left} seconds")

    def note_wrong(self, address: str) -> None:
        """Counts a wrong password."""
        self._wrong.setdefault(address, deque(maxlen=self.most)).append(self._clock())
        self._wrong.move_to_end(address)
        while len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)

    def note_right(self, address: str) -> None:
        """Forgets the wrong passwords of an address."""
        self._wrong.pop(address, None)
