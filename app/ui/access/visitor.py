"""The visitor that a request comes from: a tab of a browser, or a client of the API."""

import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from limelight.app.ui.access.address import network_of

COOKIE = "limelight-browser"


@dataclass(frozen=True, slots=True)
class Visitor:
    """One tab, or one client of the API. Two are equal if their sessions are.

    Attributes:
        session: gradio's session hash, one for each tab.
        browser: the cookie that all tabs of a browser share and no script can read; empty for API clients.
        address: network address, as `network_of` gives it; empty if unknown.
    """

    session: str
    browser: str = field(default="", compare=False)
    address: str = field(default="", compare=False)

    @classmethod
    def of(cls, request: Any) -> "Visitor":
        """The sender of a gradio request."""
        address = network_of(request.client.host if request.client else None)
        return cls(str(request.session_hash), browser_of(request.headers.get("cookie", "")), address)

    def may_read(self, owner: "Visitor") -> bool:
        """Whether this visitor may read the owner's results: it is the same tab, or the same browser."""
        return self == owner or (bool(self.browser) and self.browser == owner.browser)


def browser_of(cookies: str) -> str:
    """The browser that a Cookie header names; empty if it names none."""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def new_browser() -> bytes:
    """A Set-Cookie header with a new random id, for a browser without the cookie."""
    return f"{COOKIE}={secrets.token_urlsafe(16)}; Path=/; HttpOnly; SameSite=Strict".encode()
