"""Reads the whole body of a request before anything sees it, within limits of time and memory."""

import asyncio
import time
from collections import Counter

from starlette.types import Message, Receive

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.gate.refused import Refused
from limelight.errors import LimelightError

SMALL = 64 * 1024  # bytes; a smaller body is always read


class Gone(LimelightError):
    """The client left before its request had arrived."""


class Bodies:
    """Reads bodies, and counts the bytes of them that are in memory."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._held: Counter[str] = Counter()  # bytes by address

    async def read(self, receive: Receive, length: int, address: str) -> bytes:
        """The body of a request.

        Args:
            length: the Content-Length of the request.

        Raises:
            Refused: the body arrives too slowly, or too many bytes are in memory already.
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
            raise Refused(503, f"{most:,} bytes of requests are arriving already; try again in a moment")


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read before, and then continues with the original one."""
    is_given = False

    async def given() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return given
