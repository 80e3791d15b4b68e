"""The web server around the page: its own files, headers, limits of what is sent to it."""

import logging
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limelight.app.ui.access.visitor import browser_of, new_browser
from limelight.app.ui.output.downloads import downloads
from limelight.app.ui.page.theme import theme
from limelight.app.ui.page.viewer import STATIC
from limelight.app.ui.studio.studio import Studio

# Everything comes from here. Gradio's own page builds functions and styles at run time.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)
UPLOAD = "/gradio_api/upload"  # writes to the disk, for components that this page does not have
STYLES = (
    "colours",
    "page",
    "form",
    "painter",
    "stage",
    "words",
    "inspector",
    "history",
    "attention",
    "compare",
)
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class Guard:
    """Sets headers on every answer, tells browsers apart, and refuses bodies that are too large unread."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await refusal(scope, receive, send)
            return

        headers = list(HEADERS.items())
        if scope["path"] == "/" and not browser_of(_header(scope, b"cookie")):
            headers.append((b"set-cookie", new_browser()))

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        await self.app(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        """What is answered instead of reading the body; None where it may be read."""
        length = _header(scope, b"content-length") or "0"
        if scope["path"] == UPLOAD:
            return PlainTextResponse("no files are kept here; the page sends what it needs", status_code=403)
        if _header(scope, b"transfer-encoding"):
            return PlainTextResponse(
                "say how long the request is: content-length is missing", status_code=411
            )
        if not length.isdigit() or int(length) > self.max_body_bytes:
            message = f"the request has {length[:20]} bytes; at most {self.max_body_bytes:,}"
            return PlainTextResponse(message, status_code=413)
        return None


def _header(scope: Scope, name: bytes) -> str:
    return dict(scope["headers"]).get(name, b"").decode("latin-1")


def build_app(page: gr.Blocks, studio: Studio, *, auth: list[tuple[str, str]] | None = None) -> FastAPI:
    """The page with everything it needs, as an ASGI application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(downloads(studio.results))
    app.mount("/limelight", StaticFiles(directory=STATIC), name="limelight")
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        auth=auth,
        theme=theme(),
        css_paths=[STATIC / "styles" / f"{name}.css" for name in STYLES],
        head=(STATIC / "head.html").read_text(encoding="utf-8"),
        favicon_path=str(STATIC / "icon.png"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
    )
    app.add_middleware(Guard, max_body_bytes=studio.limits.max_body_bytes)
    return app


class Server(uvicorn.Server):
    """Says where the page is as soon as it is there."""

    def __init__(self, app: FastAPI, *, host: str, port: int, say: Any) -> None:
        super().__init__(
            uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=1)
        )
        self._say = say

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = self.config.host
            self._say(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: Any = None) -> None:
        """Ends what open tabs still listen to, which uvicorn would report as errors, each at length."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
