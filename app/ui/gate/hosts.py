"""Checks the Host and Origin headers, so that no web site reaches the page under a name of its own."""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from limelight.app.ui.gate.refused import Refused


class Hosts:
    """The names of this server. IP addresses are always accepted: no web site can claim those.

    Args:
        names: further names of the server, in addition to `localhost` and the machine's own.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        own = {"localhost", socket.gethostname(), *names}
        self.names = frozenset(name.lower().rstrip(".") for name in own)

    def check(self, host: str, origin: str) -> None:
        """Raises Refused unless the Host header, and the Origin header if there is one, name this server."""
        if not self._is_ours(_name_of(f"//{host}")):
            raise Refused(
                421, f"this server is not called {host[:80]!r}; ask for it by its address or by its own name"
            )
        if not origin:
            return
        if _host_and_port(origin) != host.lower() and not self._is_named(_name_of(origin)):
            raise Refused(403, f"a page of {origin[:80]!r} may not send requests here")

    def _is_ours(self, name: str) -> bool:
        return self._is_named(name) or _is_address(name)

    def _is_named(self, name: str) -> bool:
        return name in self.names


def _host_and_port(origin: str) -> str:
    """Host and port of an origin, in lower case; empty if it has none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
