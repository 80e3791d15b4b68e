"""Who asks: a tab of a browser, or a client of the API."""

import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any

from limelight.app.ui.access.address import network_of

COOKIE = "limelight-browser"


@dataclass(frozen=True, slots=True)
class Visitor:
    """One tab, or one client; equal where the session is.

    Attributes:
        session: tells tabs apart; gradio's.
        browser: the cookie of all tabs of a browser, which no script can read; empty for clients.
        address: from which they came; empty where that is not known.
    """

    session: str
    browser: str = field(default="", compare=False)
    address: str = field(default="", compare=False)

    @classmethod
    def of(cls, request: Any) -> "Visitor":
        """Whoever sent a request of gradio's."""
        address = network_of(request.client.host if request.client else None)
        return cls(str(request.session_hash), browser_of(request.headers.get("cookie", "")), address)

    def may_read(self, owner: "Visitor") -> bool:
        """Whether what was drawn for the owner is this one's to read: the same tab, or the same browser."""
        return self == owner or (bool(self.browser) and self.browser == owner.browser)


def browser_of(cookies: str) -> str:
    """The browser that a Cookie header names; empty if it names none."""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def new_browser() -> bytes:
    """A Set-Cookie header for a browser that comes for the first time."""
    return f"{COOKIE}={secrets.token_urlsafe(16)}; Path=/; HttpOnly; SameSite=Strict".encode()
