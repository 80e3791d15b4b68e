"""Weights of a word's attention in a browser: dragged, typed, touched, brought back, linked."""

import base64
import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from limelight.pipeline.results.png import read_record
from tests.app.ui.gestures import DROP, draw, put, set_steps

pytestmark = pytest.mark.browser
PROMPT = "a cat and a banana on a blue background"
BANANA = "#pane-picture .word:has-text('banana')"
BADGE = f"{BANANA} [data-by=attention]"
FIELDS = "#edit textarea"  # edit of, keep, ..., weights of words
TIMES = "\N{MULTIPLICATION SIGN}"


@pytest.fixture(scope="module")
def weighed(module_page):
    """A page with a picture, and that picture with less attention to a word, which was dragged."""
    page = module_page
    set_steps(page, 4)
    put(page.locator("#seed input, #seed textarea"), 5)
    draw(page, PROMPT)
    page.wait_for_function("limelight.history.entries.length === 1")
    page.get_by_label("Dragging a word changes").select_option(label="its attention: the picture is kept")
    box = page.locator(BANANA).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] - 40, box["y"] + 10, steps=4)
    assert page.locator(BADGE).inner_text() == f"attention {TIMES}0.5"
    page.mouse.up()
    page.wait_for_selector("#pane-compare .compare-captions")
    page.wait_for_function("limelight.history.entries.length === 2")
    return page


def _png(page):
    """The PNG of the picture that is shown."""
    return io.BytesIO(base64.b64decode(page.evaluate("limelight.picture.image").partition(",")[2]))


def _asked(page):
    return read_record(_png(page))["request"]


def _pixels(page):
    return Image.open(_png(page)).tobytes()


def _scales(page):
    asked = _asked(page)
    return asked["prompt"], asked["edit_of"], {each["word"]: each["scale"] for each in asked["scale_words"]}


def test_a_drag_changes_the_attention_and_keeps_the_prompt(weighed):
    assert _scales(weighed) == (PROMPT, PROMPT, {"banana": 0.5})
    captions = weighed.locator("#pane-compare .compare-captions").inner_text()
    assert f"weights of attention banana {TIMES}0.5" in captions and "edit of" not in captions
    assert weighed.locator("#pane-compare .word", has_text="banana").is_visible()


def test_arrow_keys_change_it_further_and_back_to_none(weighed):
    weighed.click("#tab-picture")
    assert weighed.locator(BADGE).inner_text() == f"attention {TIMES}0.5"
    weighed.locator(BANANA).focus()
    for _ in range(3):
        weighed.keyboard.press("ArrowDown")
    assert weighed.locator(BADGE).inner_text() == f"attention {TIMES}0.2"
    weighed.wait_for_function("limelight.history.entries.length === 3")
    assert _scales(weighed) == (PROMPT, PROMPT, {"banana": 0.2})
    weighed.click("#tab-picture")
    weighed.locator(BANANA).focus()
    for _ in range(8):
        weighed.keyboard.press("ArrowUp")
    weighed.wait_for_function("limelight.history.entries.length === 4")
    assert _scales(weighed) == (PROMPT, None, {})  # the picture itself
    first, _, _, last = weighed.evaluate(
        "limelight.history.entries.map(({ picture }) => picture.maps.views[0])"
    )
    assert first == last


def test_the_history_shows_the_weight_and_fills_the_form(weighed):
    for nth, edit, weights, badge in (
        (2, PROMPT, "banana=0.5", f"attention {TIMES}0.5"),
        (3, "", "", ""),
        (1, PROMPT, "banana=0.2", f"attention {TIMES}0.2"),
    ):
        weighed.click("#tab-picture")
        weighed.locator(".history-list [role=listitem] button:first-child").nth(nth).click()
        expect(weighed.locator(FIELDS).first).to_have_value(edit)
        expect(weighed.locator(FIELDS).last).to_have_value(weights)
        assert weighed.locator(BADGE).inner_text() == badge


def test_a_dropped_picture_and_a_link_bring_the_edit_back(weighed, open_page):
    url = weighed.evaluate("limelight.picture.image")
    assert _scales(weighed)[2] == {"banana": 0.2}
    weighed.evaluate("limelight.lens.selected.clear()")
    weighed.click(".copy-link")
    weighed.wait_for_function("location.hash.length > 1")
    fragment = weighed.evaluate("location.hash")
    assert fragment == (
        "#prompt=a+cat+and+a+banana+on+a+blue+background&seed=5&steps=4"
        "&edit_of=a+cat+and+a+banana+on+a+blue+background&keep=0.6%2C0.4&blend=0.3%2C0.2&scale_words=banana%3D0.2"
    )
    other = open_page(fragment=fragment)
    expect(other.locator(FIELDS).last).to_have_value("banana=0.2")
    other.wait_for_function("document.querySelector('.status').textContent.includes('Press Draw')")
    other.click("#draw")
    other.wait_for_function("limelight.picture?.state === 'done' && limelight.picture.id !== 'example'")
    assert _asked(other) == _asked(weighed)
    assert _pixels(other) == _pixels(weighed)
    other.goto(other.url.partition("#")[0])
    other.reload()
    other.wait_for_function("window.limelight?.history.entries.length === 1")
    other.evaluate(DROP, [url.partition(",")[2], "banana.png"])
    expect(other.locator(FIELDS).first).to_have_value(PROMPT)
    expect(other.locator(FIELDS).last).to_have_value("banana=0.2")


def test_a_link_finds_the_edit_and_not_the_picture_that_it_is_of(weighed):
    for nth, scales in ((3, {}), (1, {"banana": 0.2}), (2, {"banana": 0.5})):
        weighed.click("#tab-picture")
        weighed.locator(".history-list [role=listitem] button:first-child").nth(nth).click()
        weighed.click(".copy-link")
        fragment = weighed.evaluate("location.hash")
        weighed.evaluate("hash => { location.hash = ''; location.hash = hash; }", fragment)
        weighed.wait_for_timeout(500)
        assert _scales(weighed)[2] == scales


def test_a_finger_weighs_a_word_and_a_scroll_does_not(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    set_steps(page, 2)
    draw(page, PROMPT)
    page.get_by_label("Dragging a word changes").select_option("attention")
    word = page.locator(BANANA)
    word.scroll_into_view_if_needed()
    fingers = page.context.new_cdp_session(page)

    def swipe(across, down):
        box = word.bounding_box()
        x, y = box["x"] + 15, box["y"] + 12
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for part in (0.25, 0.5, 0.75, 1):
            at = [{"x": x + part * across, "y": y + part * down}]
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    swipe(4, -120)
    page.wait_for_timeout(300)
    assert page.locator(BADGE).inner_text() == ""
    word.scroll_into_view_if_needed()
    swipe(120, 3)
    page.wait_for_selector("#pane-compare .compare-captions")
    assert _scales(page) == (PROMPT, PROMPT, {"banana": 2.0})


def test_a_weight_that_is_refused_leaves_the_word_as_it_was(weighed):
    weighed.click("#tab-picture")
    weighed.locator(".history-list [role=listitem] button:first-child").nth(3).click()
    weighed.evaluate("limelight.picture.settings.hires_scale = 100")
    weighed.locator(BANANA).focus()
    weighed.keyboard.press("ArrowUp")
    weighed.wait_for_function("document.querySelector('.status').dataset.kind === 'error'")
    assert weighed.locator(BADGE).inner_text() == ""
