"""The guard in front of the page: every request passes through it first."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

from starlette.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limelight.app.ui.access.address import network_of
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.log import place_of
from limelight.app.ui.access.visitor import Visitor, browser_of, new_browser
from limelight.app.ui.gate.bodies import SMALL, Bodies, Gone, replay
from limelight.app.ui.gate.calls import Calls
from limelight.app.ui.gate.gradio_queue import GradioQueue
from limelight.app.ui.gate.hosts import Hosts
from limelight.app.ui.gate.logins import Logins
from limelight.app.ui.gate.refused import Refused
from limelight.app.ui.gate.routes import Route, route_of
from limelight.app.ui.page.viewer import STATIC
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.memory import give_back

log = logging.getLogger("uvicorn.error")

# All content comes from this server. Gradio's page builds functions and styles at run time: 'unsafe-eval'.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
NOT_DOCUMENTS = (b"text/css", b"text/javascript", b"application/javascript")  # need no policy of their own
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class Guard:
    """An ASGI application around the page: refuses bad requests, unread where possible, sets security
    headers, and drops silent sessions.

    Args:
        hosts: names of this server, in addition to its own.
    """

    def __init__(
        self, app: ASGIApp, studio: Studio, calls: Calls, queue: GradioQueue, *, hosts: Sequence[str] = ()
    ) -> None:
        self.app = app
        self.studio = studio
        self.limits: Limits = studio.limits
        self.calls = calls
        self.queue = queue
        self.hosts = Hosts(hosts)
        self.bodies = Bodies(self.limits)
        self.logins = Logins(self.limits.max_wrong_passwords, self.limits.wrong_password_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            async with self._forgetting():
                await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        client = scope.get("client")
        sender = _Sender(send, self.limits.stalled_seconds, _cookie(scope))
        try:
            await self._answer(scope, receive, sender, network_of(client[0] if client else None))
        except Refused as refusal:
            if not sender.has_begun:
                await refusal.response()(scope, receive, sender)
        except (Gone, TimeoutError):
            return
        except Exception as error:
            log.error("a request broke: %s", place_of(error))
            if not sender.has_begun:
                broken = Refused(500, "an error in the server; its log says where")
                await broken.response()(scope, receive, sender)

    async def _answer(self, scope: Scope, receive: Receive, sender: "_Sender", address: str) -> None:
        self.hosts.check(_header(scope, b"host"), _header(scope, b"origin"))
        route = route_of(scope["method"], scope["path"])
        if route is None:
            raise Refused(403, "this server has nothing at this address; it serves the page and its API only")
        length = self._length(scope, route)
        if route.kind == "login":
            self.logins.check(address)
        elif route.kind != "page" and not self.queue.is_logged_in(_header(scope, b"cookie")):
            raise Refused(401, "log in first")
        if scope["method"] == "POST":
            body = await self.bodies.read(receive, length, address)
            if route.kind in ("join", "run"):
                await self._admit(body, route, address)
            receive = replay(body, receive)
        if route.kind == "stream":
            await self._stream(scope, receive, sender, address)
            return
        if scope["path"] == "/" and not self.queue.is_logged_in(_header(scope, b"cookie")):
            await FileResponse(STATIC / "login.html")(scope, receive, sender)
            return
        await self.app(scope, receive, sender)
        if route.kind == "login":
            (self.logins.note_right if sender.status < 400 else self.logins.note_wrong)(address)

    def _length(self, scope: Scope, route: Route) -> int:
        """The length of the body. Raises Refused if it is too long or unknown."""
        length = _header(scope, b"content-length") or "0"
        most = self.limits.max_body_bytes if route.max_bytes is None else route.max_bytes
        if _header(scope, b"transfer-encoding"):
            raise Refused(411, "content-length is missing; send the length of the request")
        if not (length.isascii() and length.isdigit() and len(length) < 20) or int(length) > most:
            raise Refused(413, f"the request has {length[:20]} bytes; at most {most:,}")
        return int(length)

    async def _admit(self, body: bytes, route: Route, address: str) -> None:
        """Admits a call, and drops silent sessions that are too many.

        Raises:
            Refused: the call cannot be answered, or too many are being answered.
        """
        is_small = len(body) <= SMALL
        check = self.calls.check
        call = (
            check(body, route.function) if is_small else await asyncio.to_thread(check, body, route.function)
        )
        if route.kind == "run":
            if call.is_queued:
                raise Refused(404, "this function is for /gradio_api/queue/join")
            return
        most = self.limits.max_waiting_per_visitor + self.limits.max_drawing_per_visitor
        if self.queue.num_open_of(call.session) >= most:
            raise Refused(503, f"{most} of your requests are being answered; let some finish, or stop them")
        for session in self.studio.sessions.asked(call.session, address):
            await self._forget(session)
        if self.queue.num_open >= self.limits.max_open:
            most_silent = self.studio.sessions.most_silent()
            if most_silent is None or most_silent == call.session:
                raise Refused(503, "the server is busy; try again in a minute")
            await self._forget(most_silent)

    async def _stream(self, scope: Scope, receive: Receive, sender: "_Sender", address: str) -> None:
        asked = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=16)
        session = asked.get("session_hash", [""])[0]
        if not self.queue.knows(session):
            raise Refused(404, "this session has no requests, or was dropped; send the request again")
        try:
            with self.studio.sessions.listening(session, address):
                self.studio.nudge()
                await self.app(scope, receive, sender)
        except (KeyError, RuntimeError):  # raised by gradio and starlette if a session is dropped meanwhile
            if self.queue.knows(session):
                raise
            if sender.has_begun and not sender.has_ended:
                await sender({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if not sender.has_ended and not self.studio.sessions.is_here(session):
                self.studio.stop(Visitor(session))  # the visitor left before the last message

    async def _forget(self, session: str) -> None:
        self.studio.leave(Visitor(session))
        self.studio.sessions.forget(session)
        await self.queue.forget(session)

    @asynccontextmanager
    async def _forgetting(self) -> AsyncIterator[None]:
        """Drops silent sessions while the server runs."""

        async def sweep() -> None:
            was_busy = False
            while True:
                await asyncio.sleep(self.limits.silent_seconds / 4)
                overdue = list(self.studio.sessions.overdue())
                for session in overdue:
                    await self._forget(session)
                was_busy = was_busy or bool(overdue) or bool(self.studio.num_drawing)
                if was_busy and not (overdue or self.studio.num_drawing):  # the server has become idle
                    was_busy = False
                    await asyncio.to_thread(give_back)

        task = asyncio.create_task(sweep())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class _Sender:
    """Sends an answer with this server's headers, and gives up if the client does not read it."""

    def __init__(self, send: Send, seconds: float, cookie: bytes | None) -> None:
        self._send = send
        self._seconds = seconds
        self._headers = [*HEADERS, *([(b"set-cookie", cookie)] if cookie else [])]
        self.has_begun = self.has_ended = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun, self.status = True, message["status"]
            given = list(message.get("headers", []))
            kind = dict(given).get(b"content-type", b"")
            is_document = not kind.startswith(NOT_DOCUMENTS)
            policy = [(b"content-security-policy", POLICY.encode())] if is_document else []
            message["headers"] = [*given, *policy, *self._headers]
        async with asyncio.timeout(self._seconds):
            await self._send(message)
        if message["type"] == "http.response.body":
            self.has_ended = not message.get("more_body", False)


def _cookie(scope: Scope) -> bytes | None:
    """The cookie for a browser that opens the page for the first time; None for others."""
    is_new = scope["path"] == "/" and not browser_of(_header(scope, b"cookie"))
    return new_browser() if is_new else None


def _header(scope: Scope, name: bytes) -> str:
    return dict(scope["headers"]).get(name, b"").decode("latin-1")
