"""The server around the page, over HTTP."""

import http.client
from urllib.parse import urlsplit

import pytest

from limelight.app.ui.access.visitor import COOKIE


def _get(url: str, path: str, method: str = "GET", headers=None):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(method, path, headers=headers or {})
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_the_page_loads_nothing_from_elsewhere(page_url):
    status, headers, body = _get(page_url, "/")
    assert status == 200
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert b"fonts.googleapis.com" not in body


@pytest.mark.parametrize("name", ["viewer.js", "maps.js", "page.js"])
def test_the_pages_own_files_are_served(page_url, name):
    status, headers, _ = _get(page_url, f"/limelight/scripts/{name}")
    assert status == 200
    assert "javascript" in headers["content-type"]


@pytest.mark.parametrize(
    "path", ["/limelight/../server.py", "/limelight/%2e%2e/server.py", "/gradio_api/file=/etc/passwd"]
)
def test_other_files_are_not_served(page_url, path):
    assert _get(page_url, path)[0] in (403, 404)


def test_a_body_that_is_too_large_is_refused_before_it_is_read(page_url):
    status, _, body = _get(page_url, "/gradio_api/queue/join", "POST", {"content-length": str(10**9)})
    assert status == 413
    assert b"at most 33,554,432" in body


def test_no_file_reaches_the_disk(page_url):
    form = {"content-type": "multipart/form-data; boundary=x", "content-length": "0"}
    assert _get(page_url, "/gradio_api/upload", "POST", form)[0] == 403


def test_a_body_of_unknown_length_is_refused_before_it_is_read(page_url):
    status, _, body = _get(page_url, "/gradio_api/queue/join", "POST", {"transfer-encoding": "chunked"})
    assert status == 411
    assert b"content-length is missing" in body


def test_a_browser_gets_a_cookie_that_no_script_reads_and_keeps_it(page_url):
    _, headers, _ = _get(page_url, "/")
    assert headers["set-cookie"].startswith(f"{COOKIE}=")
    assert "HttpOnly" in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    assert "set-cookie" not in _get(page_url, "/", headers={"cookie": cookie})[1]
    assert "set-cookie" not in _get(page_url, "/limelight/scripts/page.js")[1]
