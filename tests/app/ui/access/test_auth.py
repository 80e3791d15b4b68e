"""Logins, and the routes that are closed without one."""

import http.client
import json
from urllib.parse import urlencode, urlsplit

import pytest
from gradio_client.exceptions import AuthenticationError

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.studio.studio import Studio
from tests.app.ui.gestures import RULES, axe
from tests.app.ui.in_time import client_of, in_time


@pytest.fixture(scope="module")
def closed_url(pipe, serve):
    """A page for Ada alone."""
    studio = Studio({"default": pipe}, Limits())
    with serve(studio, auth=[("ada", "secret")]) as url:
        yield url
    studio.close()


def _ask(url: str, path: str, method: str = "GET", body: str = "", **headers: str):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def _log_in(url: str, user: str, password: str):
    form = urlencode({"username": user, "password": password})
    return _ask(url, "/login", "POST", form, **{"content-type": "application/x-www-form-urlencoded"})


CLOSED = ("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x")
JOIN = json.dumps({"data": ["a"], "fn_index": 1, "session_hash": "x"})


@pytest.mark.parametrize("path", CLOSED)
def test_without_a_login_nothing_is_readable(closed_url, path):
    assert _ask(closed_url, path)[0] == 401


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/run/restore", "/gradio_api/cancel"])
def test_without_a_login_nothing_is_drawn(closed_url, path):
    assert _ask(closed_url, path, "POST", JOIN, **{"content-type": "application/json"})[0] == 401


@pytest.mark.parametrize(("user", "password"), [("ada", "wrong"), ("eve", "secret"), ("", "")])
def test_a_wrong_password_opens_nothing(closed_url, user, password):
    status, headers, _ = _log_in(closed_url, user, password)
    assert status in (400, 422)
    assert "set-cookie" not in headers


def test_the_right_password_opens_the_page(closed_url):
    status, headers, _ = _log_in(closed_url, "ada", "secret")
    assert status == 200
    cookies = "; ".join(each.partition(";")[0] for each in headers.get_all("set-cookie"))
    assert _ask(closed_url, "/config", cookie=cookies)[0] == 200


def test_a_client_of_the_api_logs_in_too(closed_url):
    with pytest.raises(AuthenticationError), client_of(closed_url):
        pass
    with client_of(closed_url, auth=("ada", "secret")) as client, in_time():
        (*_, last) = client.submit(prompt="a", num_steps=2, record="grid", api_name="/generate")
        picture = last["pictures"][0]
        assert picture["state"] == "done"
        assert client.predict(id=picture["id"], api_name="/maps")["words"] == ["a"]


@pytest.mark.browser
def test_the_login_page_is_our_own_and_opens_the_page(browser, closed_url):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(closed_url)
    assert page.title() == "Limelight: log in"
    assert "radio" not in page.locator("body").inner_text()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 16, 20)"
    page.evaluate(axe() + "\nvoid 0")
    assert page.evaluate(RULES) == []
    page.fill("[name=username]", "ada")
    page.fill("[name=password]", "wrong")
    page.keyboard.press("Enter")
    page.get_by_text("The name or the password is wrong.").wait_for()
    page.fill("[name=password]", "secret")
    page.keyboard.press("Enter")
    page.wait_for_function("window.limelight?.lens.image")
    context.close()
