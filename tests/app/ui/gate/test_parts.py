"""Each part of the gate by itself."""

import asyncio
import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.gate.bodies import Bodies, Gone
from limelight.app.ui.gate.guard import Guard
from limelight.app.ui.gate.hosts import Hosts
from limelight.app.ui.gate.logins import Logins
from limelight.app.ui.gate.refused import Refused
from limelight.app.ui.gate.routes import route_of
from tests.app.ui.in_time import run


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:7860", "localhost:7860", "LOCALHOST", "[::1]:7860", "192.168.1.4", "studio.example:80"],
)
def test_this_server_has_these_names(host: str) -> None:
    Hosts(["studio.example"]).check(host, "")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:7860",
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1",
        "@",
    ],
)
def test_any_other_name_is_not_this_server(host: str) -> None:
    with pytest.raises(Refused, match="this server is not called") as refused:
        Hosts(["studio.example"]).check(host, "")
    assert refused.value.status == 421


@pytest.mark.parametrize(
    ("origin", "is_ours"),
    [
        ("http://127.0.0.1:7860", True),
        ("https://studio.example", True),
        ("http://127.0.0.1:8000", False),  # another server of this machine
        ("https://evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_requests_from_pages_of_other_sites_are_refused(origin: str, is_ours: bool) -> None:
    hosts = Hosts(["studio.example"])
    if is_ours:
        hosts.check("127.0.0.1:7860", origin)
    else:
        with pytest.raises(Refused, match="may not send"):
            hosts.check("127.0.0.1:7860", origin)


def test_an_address_that_tries_passwords_has_to_wait_and_others_need_not() -> None:
    now = [0.0]
    logins = Logins(3, 60, clock=lambda: now[0])
    for _ in range(3):
        logins.check("a")
        logins.note_wrong("a")
        now[0] += 10
    with pytest.raises(Refused, match="3 wrong passwords came from here; try again in 30 seconds") as refused:
        logins.check("a")
    assert refused.value.status == 429
    logins.check("b")
    now[0] = 61.0
    logins.check("a")
    logins.note_right("a")
    assert not logins._wrong


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
        ("GET", "/monitoring"),
        ("GET", "/gradio_api/dev/reload"),
        ("POST", "/gradio_api/upload"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/call/generate"),
        ("PUT", "/"),
        ("OPTIONS", "/gradio_api/queue/join"),
    ],
)
def test_routes_that_the_page_does_not_use_are_closed(method: str, path: str) -> None:
    assert route_of(method, path) is None


def _receiving(*parts: bytes | float | None):
    """What comes in: bytes; a number is a wait in seconds, None that the client leaves."""
    left = list(parts)

    async def receive():
        while left:
            part = left.pop(0)
            if isinstance(part, float):
                await asyncio.sleep(part)
            elif part is None:
                return {"type": "http.disconnect"}
            else:
                return {"type": "http.request", "body": part, "more_body": bool(left)}
        await asyncio.sleep(60)

    return receive


def _read(*parts: bytes | float | None, length: int, limits: Limits | None = None) -> bytes:
    bodies = Bodies(limits or Limits(body_seconds=0.2))
    try:
        return run(bodies.read(_receiving(*parts), length, "a"))
    finally:
        assert not bodies._held  # whatever happened, nothing is counted any more


def test_a_body_is_read_whole() -> None:
    assert _read(b"ab", b"cd", length=4) == b"abcd"
    assert _read(length=0) == b""


def test_half_a_body_is_given_up_in_time() -> None:
    with pytest.raises(Refused, match="2 of 9 bytes came in 0 seconds; send them faster") as refused:
        _read(b"ab", 60.0, length=9)
    assert refused.value.status == 408


def test_a_client_that_leaves_is_no_error() -> None:
    with pytest.raises(Gone):
        _read(b"ab", None, length=9)


def test_large_bodies_in_flight_are_bounded_and_small_ones_come_through() -> None:
    limits = Limits(max_bodies_bytes=300_000)
    with pytest.raises(Refused, match="300,000 bytes of requests are arriving") as refused:
        _read(b"a" * 160_000, b"b" * 160_000, length=320_000, limits=limits)
    assert refused.value.status == 503
    bodies = Bodies(limits)
    bodies._held["another"] = 400_000
    assert run(bodies.read(_receiving(json.dumps({}).encode()), 2, "a")) == b"{}"


@pytest.mark.parametrize("error", [KeyError, RuntimeError])
@pytest.mark.parametrize("is_forgotten", [True, False])
def test_a_stream_of_a_forgotten_session_is_no_error(is_forgotten: bool, error: type[Exception]) -> None:
    """gradio raises KeyError where it ends the stream, and starlette RuntimeError where it goes on."""
    known, sent = [True, not is_forgotten], []

    async def app(scope: object, receive: object, send: object) -> None:
        raise error("session")

    sessions = SimpleNamespace(listening=lambda *given: nullcontext(), is_here=lambda session: False)
    studio = SimpleNamespace(
        limits=Limits(), sessions=sessions, nudge=lambda: None, stop=lambda visitor: None
    )
    queue = SimpleNamespace(knows=lambda session: known.pop(0))
    guard = Guard(app, studio, None, queue)  # type: ignore[arg-type]

    class Sender:
        has_begun, has_ended = True, False

        async def __call__(self, message: dict[str, object]) -> None:
            sent.append(message)

    sender = Sender()
    stream = guard._stream({"query_string": b"session_hash=a"}, None, sender, "")  # type: ignore[arg-type]
    if is_forgotten:
        run(stream)
        assert sent == [{"type": "http.response.body", "body": b"", "more_body": False}]
    else:
        with pytest.raises(error):
            run(stream)
