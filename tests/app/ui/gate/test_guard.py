"""How the gate answers requests, over HTTP."""

import base64
import http.client
import io
import json
import socket
import time
from urllib.parse import urlsplit

import pytest
from PIL import Image

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.actions.api import parameters
from limelight.app.ui.studio.studio import Studio

JSON = {"content-type": "application/json"}


def _ask(url: str, method: str, path: str, body: bytes = b"", headers=None):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def _function(url: str, name: str) -> int:
    config = json.loads(_ask(url, "GET", "/config")[2])
    return next(each["id"] for each in config["dependencies"] if each["api_name"] == name)


def _values(prompt: str = "a red apple", steps: int = 2) -> list:
    given = {"prompt": prompt, "num_steps": steps, "seed": "1"}
    return [given.get(each.name, each.default) for each in parameters()]


def _join(url: str, session: str, **fields):
    call = {"data": _values(), "fn_index": _function(url, "generate"), "session_hash": session} | fields
    status, _, body = _ask(url, "POST", "/gradio_api/queue/join", json.dumps(call).encode(), JSON)
    return status, json.loads(body)


def _listen(url: str, session: str, seconds: float = 60) -> bytes:
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=seconds) as s:
        path = f"/gradio_api/queue/data?session_hash={session}"
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
        got, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and b"process_completed" not in got:
            part = s.recv(1 << 16)
            if not part:
                break
            got += part
    return got


def _until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def quick(pipe, serve):
    """A page with short time limits."""
    limits = Limits(
        silent_seconds=1.0, head_seconds=1.0, body_seconds=1.0, max_silent=4, max_wrong_passwords=3
    )
    studio = Studio({"default": pipe}, limits)
    with serve(studio, auth=None) as url:
        yield url, studio
    studio.close()


def test_another_name_is_not_this_server_and_the_page_is_not_framed(quick):
    url, _ = quick
    for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        status, answered, _ = _ask(url, "POST", "/gradio_api/queue/join", b"{}", JSON | headers)
        assert status in (403, 421)
        assert "access-control-allow-origin" not in answered
    _, headers, _ = _ask(url, "GET", "/")
    assert headers["x-frame-options"] == "DENY"
    for path in ("/", "/limelight/viewer.html", "/limelight/icon.png", "/nowhere"):
        _, headers, _ = _ask(url, "GET", path)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    _, headers, _ = _ask(url, "GET", "/limelight/scripts/page.js")  # no document: it comes with every page
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"fn_index": -1}, 404, "no such function"),
        ({"fn_index": True}, 404, "no such function"),
        ({"fn_index": None}, 404, "no such function"),
        ({"data": []}, 422, f"data has 0 values; this function takes {len(_values())}"),
        ({"data": None}, 422, "data has 0 values"),
        ({"data": {"a": 1}}, 422, "data has 0 values"),
        ({"session_hash": None}, 400, "session_hash must be"),
        ({"session_hash": "a b"}, 400, "session_hash must be"),
        ({"session_hash": "x" * 65}, 400, "session_hash must be"),
        ({"session_hash": 7}, 400, "session_hash must be"),
        ({"trigger_id": {}}, 422, "trigger_id must be"),
    ],
)
def test_a_malformed_call_is_refused_with_a_message(quick, capfd, fields, status, said):
    url, _ = quick
    found, answer = _join(url, "checked", **fields)
    assert found == status
    assert said in answer["detail"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b"{", b"[" * 100_000, b'{"fn_index": ' + b"9" * 5000 + b"}", b"\xff"]
)
def test_a_body_that_is_no_json_is_refused_with_a_message(quick, capfd, body):
    url, _ = quick
    status, _, answer = _ask(url, "POST", "/gradio_api/queue/join", body, JSON)
    assert status == 400
    assert "the request is not" in json.loads(answer)["detail"]
    assert "Traceback" not in capfd.readouterr().err


def test_listening_to_an_unknown_session_is_refused_with_a_message(quick, capfd):
    url, _ = quick
    status, _, answer = _ask(url, "GET", "/gradio_api/queue/data?session_hash=nobody")
    assert status == 404
    assert "this session has no requests" in json.loads(answer)["detail"]
    assert capfd.readouterr().err == ""


def test_a_session_that_does_not_listen_gets_no_picture_and_is_forgotten(quick):
    url, studio = quick
    assert _join(url, "silent", data=_values(steps=100))[0] == 200
    time.sleep(0.4)
    assert studio.num_drawing == 0
    _until(lambda: len(studio.sessions) == 0)
    status, _, _ = _ask(url, "GET", "/gradio_api/queue/data?session_hash=silent")
    assert status == 404


def test_nothing_is_checked_for_a_session_that_does_not_listen(quick, monkeypatch):
    url, studio = quick
    monkeypatch.setattr(studio.describing, "_describer", object())
    monkeypatch.setattr("limelight.app.ui.actions.seeing.check_by_describer", lambda *_, **__: None)
    calls = []
    monkeypatch.setattr("limelight.pipeline.reading.losses.predict", lambda *_: calls.append(1) or [])
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, format="PNG")
    image = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    asked = {"data": [image, "a red apple", None], "fn_index": _function(url, "check")}
    assert _join(url, "unread", **asked)[0] == 200
    _until(lambda: studio.checks._jobs)
    time.sleep(0.2)
    assert not calls and not studio.checks.has_next()
    _until(lambda: not studio.checks._jobs)  # the session was silent for too long
    assert _join(url, "read", **asked)[0] == 200
    assert b"process_completed" in _listen(url, "read") and calls


def test_a_flood_of_silent_sessions_keeps_nobody_waiting(quick):
    url, studio = quick
    for i in range(12):
        assert _join(url, f"flood{i}", data=_values(steps=100))[0] == 200
    assert len(studio.sessions) <= 5
    assert _join(url, "honest")[0] == 200
    got = _listen(url, "honest")
    assert b'"done"' in got
    assert b"process_completed" in got


def test_one_session_has_few_pictures_waiting(quick):
    url, studio = quick
    _until(lambda: len(studio._queue) == 0)  # of sessions before
    for _ in range(12):
        _join(url, "greedy", data=_values(steps=100))
    assert len(studio._queue) <= studio.limits.max_waiting_per_visitor


def test_half_a_head_and_half_a_body_are_given_up(quick):
    url, _ = quick
    where = urlsplit(url)
    halves = (
        b"GET / HTTP/1.1\r\nHost: a",
        b"",
        f"POST /login HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 90\r\n\r\nuser".encode(),
    )
    for half in halves:
        with socket.create_connection((where.hostname, where.port), timeout=20) as s:
            s.sendall(half)
            began, answer = time.monotonic(), b""
            try:
                while part := s.recv(4096):
                    answer += part
            except ConnectionResetError:
                pass
            assert time.monotonic() - began < 10
            assert answer == b"" or answer.startswith(b"HTTP/1.1 408")


def test_an_idle_connection_makes_room_for_a_request(pipe, serve):
    studio = Studio({"default": pipe}, Limits(max_connections=8, head_seconds=60))
    with serve(studio) as url:
        where = urlsplit(url)
        idle = [socket.create_connection((where.hostname, where.port), timeout=20) for _ in range(20)]
        for s in idle:
            s.sendall(b"GET / HT")
        assert _ask(url, "GET", "/theme.css")[0] == 200
        for s in idle:
            s.close()
    studio.close()


def test_wrong_passwords_are_limited(pipe, serve):
    studio = Studio({"default": pipe}, Limits(max_wrong_passwords=3))
    form = {"content-type": "application/x-www-form-urlencoded"}
    with serve(studio, auth=[("ada", "secret")]) as url:
        codes = [_ask(url, "POST", "/login", b"username=ada&password=no", form)[0] for _ in range(6)]
        assert codes == [400, 400, 400, 429, 429, 429]
        assert _ask(url, "POST", "/login", b"username=ada&password=secret", form)[0] == 429
    studio.close()
