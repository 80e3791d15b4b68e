"""Bodies of requests, read whole before anything sees them: within a time, and together within a limit."""

import asyncio
import time
from collections import Counter

from starlette.types import Message, Receive

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.gate.refused import Refused
from limelight.errors import LimelightError

SMALL = 64 * 1024  # bytes that always have room


class Gone(LimelightError):
    """The client left before its request had come."""


class Bodies:
    """Reads bodies, and knows how many bytes of them are in memory."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held: Counter[str] = Counter()  # bytes by address

    async def read(self, receive: Receive, length: int, address: str) -> bytes:
        """The body of a request that says how long it is.

        Raises:
            Refused: it comes too slowly, is longer than it said, or too many are on their way.
            Gone: the client left.
        """
        parts: list[bytes] = []
        received, began = 0, time.monotonic()
        try:
            while received < length:
                allowed = self.limits.body_seconds + received / self.limits.body_bytes_per_second
                try:
                    left = began + allowed - time.monotonic()
                    message = await asyncio.wait_for(receive(), max(left, 0.001))
                except TimeoutError:
                    raise Refused(
                        408,
                        f"{received:,} of {length:,} bytes came in {allowed:.0f} seconds; send them faster",
                    ) from None
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                received += len(part)
                self._held[address] += len(part)
                self._check_room(address, length)
                parts.append(part)
                if not message.get("more_body", False):
                    break
        finally:
            self._held[address] -= received
            if not self._held[address]:
                del self._held[address]
        return b"".join(parts)

    def _check_room(self, address: str, length: int) -> None:
        most = self.limits.max_bodies_bytes
        if length > SMALL and (self._held.total() > most or self._held[address] > most // 2):
            raise Refused(503, f"requests of {most:,} bytes are on their way already; try again in a moment")


def replay(body: bytes, receive: Receive) -> Receive:
    """A body that was read, as a server gives it; then what comes after it."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given
