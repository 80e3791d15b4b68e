"""The URLs that the page and its clients use. All others, of which gradio has many, are closed."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["page", "login", "join", "run", "stream", "small"]
_API = "/gradio_api"
_FORM = 4 * 1024  # bytes of a login, or of a call to stop something
_FILES = r"assets|static|svelte|limelight|made"
_PAGE = re.compile(
    rf"/|/config/?|/theme\.css|/robots\.txt|/favicon\.ico|/manifest\.json|/pwa_icon(/\d+)?|/logout|"
    rf"/({_FILES})/.*|{_API}/(info|openapi\.json|app_id|user|login_check|startup-events|theme\.css)/?|"
    rf"{_API}/heartbeat/[\w-]+"
)
_CALL = re.compile(rf"{_API}/(?:run|api)/([\w-]+)/?")


@dataclass(frozen=True, slots=True)
class Route:
    """The purpose of a URL.

    Attributes:
        max_bytes: of a body; None for `Limits.max_body_bytes`.
        function: the page's function that the URL names.
    """

    kind: Kind
    max_bytes: int | None = 0
    function: str | None = None


def route_of(method: str, path: str) -> Route | None:
    """The route of a request; None for one that the page does not use."""
    if method in ("GET", "HEAD"):
        if path == f"{_API}/queue/data":
            return Route("stream")
        return Route("page") if _PAGE.fullmatch(path) else None
    if method != "POST":
        return None
    if path.rstrip("/") == "/login":
        return Route("login", _FORM)
    if path == f"{_API}/queue/join":
        return Route("join", None)
    if path.rstrip("/") in (f"{_API}/reset", f"{_API}/cancel"):
        return Route("small", _FORM)
    match = _CALL.fullmatch(path)
    return Route("run", None, match[1]) if match else None
