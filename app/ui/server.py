"""The web server of the page and its static files."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.staticfiles import StaticFiles

from limelight.app.ui.access.log import OncePerMinute
from limelight.app.ui.gate.calls import Calls
from limelight.app.ui.gate.connections import Connection, Connections
from limelight.app.ui.gate.gradio_queue import GradioQueue
from limelight.app.ui.gate.guard import Guard
from limelight.app.ui.page.theme import theme
from limelight.app.ui.page.viewer import STATIC
from limelight.app.ui.studio.studio import Studio

STYLES = (
    "colours",
    "page",
    "form",
    "painter",
    "stage",
    "words",
    "see",
    "inspector",
    "film",
    "places",
    "history",
    "attention",
    "compare",
)
SMALL = 500  # bytes; smaller answers are not compressed


def build_app(
    page: gr.Blocks,
    studio: Studio,
    *,
    auth: list[tuple[str, str]] | None = None,
    hosts: Sequence[str] = (),
) -> Guard:
    """The page with everything it needs, as an ASGI application.

    Args:
        auth: names and passwords that may log in; None for a page without logins.
        hosts: names of the server, in addition to its addresses, `localhost` and the machine's own.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
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
        show_error=False,
    )
    apps = (getattr(route, "app", None) for route in app.routes)
    mounted = next(each for each in apps if isinstance(each, gr.routes.App))
    queue = GradioQueue(page, mounted, studio.limits.max_open)
    return Guard(GZipMiddleware(app, minimum_size=SMALL), studio, Calls(page), queue, hosts=hosts)


class Server(uvicorn.Server):
    """A server that reports its URL once it accepts connections.

    Args:
        say: is called with the URL.
    """

    def __init__(self, app: Guard, *, host: str, port: int, say: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=partial(Connection, Connections(app.limits)),  # type: ignore[arg-type]
                ws="none",
                log_level="warning",
                timeout_graceful_shutdown=1,
            )
        )
        self._say = say
        self._log_filter = OncePerMinute()

    async def startup(self, sockets: Any = None) -> None:
        logging.getLogger("uvicorn.error").addFilter(self._log_filter)
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = self.config.host
            self._say(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: Any = None) -> None:
        """Ends the streams of open tabs without the errors that uvicorn would log for each."""
        logger = logging.getLogger("uvicorn.error")
        logger.setLevel(logging.CRITICAL)
        await super().shutdown(sockets)
        logger.removeFilter(self._log_filter)
