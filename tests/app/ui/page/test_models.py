"""Several models, and the second pass, in a browser."""

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.results.png import viewing_size
from tests.app.ui.gestures import draw, put, set_size, set_steps, wait_for_value
from tests.app.ui.in_time import client_of, in_time
from tests.default_model import SIDE


@pytest.fixture(scope="module")
def two_models_url(pipe, serve):
    studio = Studio({"first": pipe, "second": pipe}, Limits())
    with serve(studio) as url:
        yield url
    studio.close()


@pytest.mark.browser
def test_a_model_is_chosen_from_the_list(open_page, two_models_url):
    page = open_page(url=two_models_url)
    set_steps(page, 2)
    draw(page, "a cat")
    assert page.evaluate("limelight.picture.model") == "first"
    put(page.get_by_label("Width"), 2 * SIDE)
    page.get_by_label("Model", exact=True).click()
    page.get_by_role("option", name="second").click()
    wait_for_value(page, 'input[aria-label="Width"]', str(SIDE))
    page.click("#draw")
    page.wait_for_function("limelight.picture?.model === 'second' && limelight.picture.state === 'done'")


def test_a_model_that_is_not_on_the_list_is_refused(two_models_url):
    with client_of(two_models_url) as client, in_time():
        for name in ("default", "/etc/passwd", "http://127.0.0.1/x", "second/../first"):
            (answer,) = client.submit(prompt="a", model=name, api_name="/generate")
            assert answer["error"].startswith(f"unknown model {name!r}")
            assert answer["pictures"] == []
        (*_, last) = client.submit(prompt="a", model="second", num_steps=2, api_name="/generate")
        assert last["pictures"][0]["state"] == "done"


def _larger(page, name):
    page.get_by_label("Draw it larger").click()
    page.get_by_role("option", name=name, exact=True).click()


@pytest.mark.browser
def test_a_second_pass_makes_the_picture_larger(open_page):
    page = open_page()
    set_steps(page, 4)
    page.get_by_text("Enlarge").click()
    _larger(page, "2 times")
    draw(page, "a red apple")
    seen, _ = viewing_size((2 * SIDE, 2 * SIDE))
    page.wait_for_function(f"limelight.lens.image?.width === {seen}")  # it is decoded when it is there
    page.locator(".words .word", has_text="apple").click()
    assert page.locator(".legend-title").inner_text() == "apple"
    assert page.locator(".facts").inner_text().startswith(str(2 * SIDE))

    _larger(page, "4 times")
    set_size(page, 512)
    page.click("#draw")
    page.wait_for_function("document.querySelector('.status').dataset.kind === 'error'")
    assert page.locator(".status").inner_text() == "the finished picture's side is 2048; at most 1024 here"
