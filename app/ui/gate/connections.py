"""Limits the connections of each address, and closes those that send no request in time."""

import asyncio
import contextlib
from collections import OrderedDict
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from limelight.app.ui.access.address import network_of
from limelight.app.ui.access.limits import Limits

RESERVED = 64  # file descriptors that are not for connections
MANY = 2**16
SHARE = 0.75  # the part of all connections that one address may have


class Connections:
    """The open connections, the oldest first."""

    def __init__(self, limits: Limits) -> None:
        self.head_seconds = limits.head_seconds
        self.most = max(8, min(limits.max_connections, descriptors() - RESERVED))
        self._open: OrderedDict[Connection, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: "Connection") -> bool:
        """Adds a connection. At the limit it replaces the oldest one without a complete request.

        Returns:
            Whether there was room: False if all others have complete requests.
        """
        same = [each for each in self._open if each.address == connection.address]
        if len(same) >= SHARE * self.most or len(self._open) >= self.most:
            candidates = same if len(same) >= SHARE * self.most else list(self._open)
            unfinished = next((each for each in candidates if each.is_unfinished), None)
            if unfinished is None:
                return False
            self.leave(unfinished)
            unfinished.transport.abort()
        self._open[connection] = None
        return True

    def leave(self, connection: "Connection") -> None:
        """Removes a closed connection."""
        self._open.pop(connection, None)


def descriptors() -> int:
    """How many files and connections this process may have open."""
    with contextlib.suppress(ImportError):  # Windows
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return limit if limit != resource.RLIM_INFINITY else MANY
    return MANY


class Connection(H11Protocol):
    """A connection that is closed if the head of a request does not arrive in time."""

    def __init__(self, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self.address = ""
        self._connections = connections
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_unfinished(self) -> bool:
        """Whether no request has arrived completely and is being answered."""
        cycle: Any = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete or cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = network_of(self.client[0] if self.client else None)
        if self._connections.admit(self):
            self._watch()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._watch()
        else:
            self._unwatch()

    def _watch(self) -> None:
        """Starts the time for the head of the next request."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._connections.head_seconds, self._end)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._deadline = None
        if self.is_unfinished and not self.transport.is_closing():
            self.transport.abort()
