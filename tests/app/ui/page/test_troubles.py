"""Errors, in a browser."""

import json

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser, served):
    """A page on which errors are allowed; its browser logs every failed response."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(served.url)
    page.wait_for_function("window.limelight?.lens.image")
    yield page
    context.close()


def _answers(status: int, detail: str):
    return lambda route: route.fulfill(
        status=status, body=json.dumps({"detail": detail}), content_type="application/json"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda route: route.abort(), "The server does not answer."),
        (
            _answers(503, "the server is busy; try again in a minute"),
            "The server is busy",
        ),
        (_answers(500, "Traceback (most recent call last)"), "That did not work; try it again"),
    ],
)
def test_errors_are_our_own_messages_in_the_status_line(page, answer, words):
    page.route("**/queue/join*", answer)
    page.click("#draw")
    page.wait_for_function("document.querySelector('.status').dataset.kind === 'error'")
    assert page.locator(".status").inner_text().startswith(words)
    assert not page.locator(".toast-wrap").is_visible()
    assert page.evaluate("limelight.picture.id") == "example"  # it is still there
