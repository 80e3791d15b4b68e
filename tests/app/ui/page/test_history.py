"""The history in a browser: pictures that outlive the page and the server's memory."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.app.ui.gestures import draw, put, set_steps, wait_for_value

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def drawn(module_page):
    """A page that was left and opened again after two pictures had been drawn."""
    set_steps(module_page, 3)
    for seed, prompt in ((1, "two yellow stars"), (2, "a red apple")):
        put(module_page.locator("#seed input, #seed textarea"), seed)
        draw(module_page, prompt)
        module_page.wait_for_function("n => limelight.history.entries.length === n", arg=seed)
    module_page.reload()
    module_page.wait_for_function("window.limelight?.history.entries.length === 2")
    return module_page


def _count(page):
    return page.locator(".history-list [role=listitem]").count()


def test_a_picture_comes_back_with_its_settings_its_maps_and_its_film(drawn):
    drawn.get_by_role("button", name="two yellow stars, seed 1", exact=True).click()
    wait_for_value(drawn, "#prompt textarea", "two yellow stars")
    wait_for_value(drawn, "#seed input, #seed textarea", "1")
    drawn.get_by_text("Steps and guidance").click()
    wait_for_value(drawn, "#steps input[type=number]", "3")
    drawn.locator(".words .word", has_text="stars").click()
    assert drawn.locator(".legend-title").inner_text() == "stars"
    drawn.locator(".step").fill("2")
    assert drawn.locator(".step-value").inner_text() == "2 of 3"
    with drawn.expect_download() as download:
        drawn.click(".save-sheet")
    assert Image.open(io.BytesIO(download.value.path().read_bytes())).width > 500


def test_the_maps_of_any_picture_are_numbers_for_numpy(drawn, served):
    drawn.get_by_role("button", name="two yellow stars, seed 1", exact=True).click()
    wait_for_value(drawn, "#prompt textarea", "two yellow stars")
    with drawn.expect_download() as download:
        drawn.click(".save-maps")
    assert download.value.suggested_filename.endswith("-maps.npz")
    with np.load(download.value.path()) as arrays:  # which checks the sums of the ZIP
        assert arrays["words"].tolist() == ["two", "yellow", "stars"]
        assert json.loads(str(arrays["record"]))["seed"] == "1"  # of 64 bits, which JavaScript has as text
        maps, steps = arrays["maps"], arrays["steps"]
        assert arrays["frames"].tolist() == [0, 1, 2]
    pipe = served.studio.pipelines["default"]
    own = pipe("two yellow stars", seed=1, num_steps=3, record="head").maps
    assert own is not None
    for found, expected in ((maps, own), *((steps[i], own.step(i)) for i in range(3))):
        tokens = expected.probabilities()
        words = np.stack([tokens[list(word.tokens)].sum(0).numpy() for word in expected.words()])
        largest = words.max((1, 2), keepdims=True)
        assert (np.abs(found - words) <= largest * (0.5 / 255 + 1e-3)).all()  # of 8 bits


def test_one_is_deleted_and_brought_back(drawn):
    drawn.get_by_role("button", name="Delete: a red apple, seed 2").click()
    assert _count(drawn) == 1
    assert drawn.locator(".history-note").inner_text() == "1 picture is deleted"
    drawn.click(".undo-history")
    assert _count(drawn) == 2
    assert drawn.locator(".history-list button").first.get_attribute("aria-label") == "a red apple, seed 2"


def test_all_are_cleared_and_brought_back_for_good(drawn):
    drawn.click(".clear-history")
    assert _count(drawn) == 0
    drawn.click(".undo-history")
    assert _count(drawn) == 2
    drawn.wait_for_timeout(200)  # the database writes
    drawn.reload()
    drawn.wait_for_function("window.limelight?.history.entries.length === 2")


def test_cleared_pictures_are_gone_after_leaving_the_page(drawn):
    drawn.click(".clear-history")
    drawn.wait_for_timeout(200)
    drawn.reload()
    drawn.wait_for_function("window.limelight")
    assert drawn.evaluate("limelight.history.ready.then(() => limelight.history.entries.length)") == 0
    assert drawn.locator(".history").is_hidden()


def test_the_inspector_keeps_its_places(drawn):
    for seed, prompt in ((1, "two yellow stars"), (2, "a red apple")):
        put(drawn.locator("#seed input, #seed textarea"), seed)
        draw(drawn, prompt)
    drawn.select_option(".source", "8x8")
    drawn.select_option(".scale", "own")
    where = "[...document.querySelectorAll('.inspector > *')].map(each => each.getBoundingClientRect().top)"
    drawn.evaluate("scrollTo(0, 0)")
    before = drawn.evaluate(where)
    drawn.locator(".words .word", has_text="red").click()
    assert drawn.evaluate(where) == before
    box = drawn.locator("canvas.picture").bounding_box()
    drawn.mouse.move(box["x"] + 40, box["y"] + 40)
    assert drawn.locator(".bar-list li").count() == 3
    drawn.get_by_role("button", name="two yellow stars, seed 1", exact=True).click()
    drawn.wait_for_function("limelight.lens.image && limelight.picture.prompt === 'two yellow stars'")
    drawn.evaluate("scrollTo(0, 0)")
    assert drawn.evaluate(where) == before
    assert drawn.evaluate("['.source', '.scale'].map(each => document.querySelector(each).value)") == [
        "8x8",
        "own",
    ]
