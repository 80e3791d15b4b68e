"""Painting where a word goes, in a browser: by mouse, finger and numbers; back and again."""

import numpy as np
import pytest

from limelight.pipeline.requests.places import Mask
from tests.app.ui.gestures import DROP, draw, put, set_steps, wait_for_value

pytestmark = pytest.mark.browser
VALUE = "limelight.places.value"
PROMPT = "an apple and a banana"


@pytest.fixture(scope="module")
def drawn(module_page):
    """A page with a picture of two things."""
    set_steps(module_page, 3)
    put(module_page.locator("#seed input, #seed textarea"), 6)
    draw(module_page, PROMPT)
    return module_page


def _drag(page, start, end):
    page.locator(".frame").scroll_into_view_if_needed()
    box = page.locator(".frame").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=3)
    page.mouse.up()


def _paint(page, word, start, end):
    page.locator("#pane-picture .word", has_text=word).click()
    if page.locator("#pane-picture .word", has_text=word).get_attribute("aria-pressed") == "false":
        page.locator("#pane-picture .word", has_text=word).click()
    page.click(".place-word")
    page.wait_for_function("document.querySelector('.frame').dataset.placing === 'true'")
    _drag(page, start, end)


def test_a_box_is_dragged_for_a_word_and_undone(drawn):
    _paint(drawn, "banana", (0.1, 0.2), (0.5, 0.9))
    assert drawn.evaluate(VALUE)["paint"] == [{"word": "banana", "box": [0.1, 0.2, 0.5, 0.9]}]
    assert drawn.locator(".boxes .box").inner_text() == "banana"
    colour = "document.querySelector('.boxes .box').style.getPropertyValue('--colour')"
    word = drawn.locator("#pane-picture .word", has_text="banana")
    assert drawn.evaluate(colour) == "#ff6b6b"
    assert "rgb(255, 107, 107)" in word.evaluate("each => each.style.boxShadow")  # the same colour
    assert drawn.evaluate("limelight.lens.place") is None  # the drag is no press on a place
    drawn.click(".undo-place")
    assert drawn.evaluate(VALUE) is None
    assert drawn.locator(".boxes .box").count() == 0


def test_numbers_do_it_without_a_mouse(drawn):
    drawn.locator(".place-word").focus()
    drawn.keyboard.press("Enter")
    drawn.wait_for_selector(".places-list input[type=number]")
    left = drawn.get_by_label("left of banana, in percent")
    put(left, 40)
    assert drawn.evaluate(VALUE)["paint"] == [{"word": "banana", "box": [0.4, 0.25, 0.75, 0.75]}]
    left.fill("80")  # to the right of the right side
    left.press("Tab")
    assert left.input_value() == "40"
    drawn.get_by_label("Remove the place of banana").click()
    assert drawn.evaluate(VALUE) is None


def test_a_brush_paints_a_mask_stroke_by_stroke(drawn):
    drawn.select_option(".place-shape", "brush")
    _paint(drawn, "apple", (0.1, 0.5), (0.4, 0.5))
    _drag(drawn, (0.1, 0.7), (0.4, 0.7))
    (item,) = drawn.evaluate(VALUE)["paint"]
    mask = Mask.read("the mask", item["mask"])
    levels = np.frombuffer(mask.levels, np.uint8).reshape(mask.height, mask.width)
    assert (mask.width, mask.height) == (64, 64)
    rows = np.flatnonzero(levels[:, 16])
    assert [rows.min(), rows.max()] == pytest.approx([0.44 * 64, 0.76 * 64], abs=1.5)
    assert levels[:, 40:].max() == 0
    drawn.get_by_label("Hold apple firmly").check()
    assert drawn.evaluate(VALUE)["paint"][0]["hand"] == "firm"
    drawn.click(".draw-again")
    drawn.wait_for_selector(".compare-captions")
    (painted,) = drawn.evaluate("limelight.picture.settings.paint")
    assert (painted["mask"], painted["hand"]) == (item["mask"], "firm")
    drawn.click("#tab-picture")
    for _ in range(3):  # the hand, and two strokes
        drawn.click(".undo-place")
    assert drawn.evaluate(VALUE) is None
    drawn.select_option(".place-shape", "box")


def test_a_region_has_a_prompt_and_a_box(drawn):
    drawn.click(".place-region")
    drawn.locator(".place-prompt").fill("a blue car")
    drawn.locator(".place-prompt").press("Tab")
    _drag(drawn, (0.5, 0.5), (0.9, 0.8))
    assert drawn.evaluate(VALUE)["regions"] == [{"prompt": "a blue car", "box": [0.5, 0.5, 0.9, 0.8]}]
    drawn.get_by_label("Remove the place of a blue car").click()


def test_a_region_without_a_prompt_waits_for_one(drawn):
    drawn.click(".place-region")
    drawn.click(".draw-again")
    assert "no prompt yet" in drawn.locator(".status").inner_text()
    drawn.click(".undo-place")


def test_the_same_seed_is_drawn_again_compared_and_comes_back(drawn):
    _paint(drawn, "apple", (0.05, 0.05), (0.5, 0.95))
    drawn.click(".draw-again")
    drawn.wait_for_selector(".compare-captions")
    settings = drawn.evaluate("limelight.picture.settings")
    assert (settings["seed"], settings["prompt"]) == ("6", PROMPT)
    (painted,) = settings["paint"]
    assert (painted["word"], painted["box"]) == ("apple", [0.05, 0.05, 0.5, 0.95])
    assert "paint apple" in drawn.locator(".compare-captions").inner_text()
    image = drawn.evaluate("limelight.picture.image").partition(",")[2]

    drawn.click("#tab-picture")
    history = drawn.locator(".history-list [role=listitem] button:first-child")
    history.last.click()  # the one without
    drawn.wait_for_function(f"{VALUE} === null")
    history.nth(0).click()
    drawn.wait_for_function(f"{VALUE}?.paint[0].word === 'apple'")
    assert drawn.locator(".boxes .box").count() == 1

    history.last.click()
    drawn.wait_for_function(f"{VALUE} === null")
    drawn.evaluate(DROP, [image, "x.png"])
    drawn.wait_for_function(f"{VALUE}?.paint[0].word === 'apple'")
    wait_for_value(drawn, "#prompt textarea", PROMPT)


def test_a_head_is_switched_off_by_a_click_and_compared(drawn):
    draw(drawn, PROMPT)
    drawn.click("#tab-attention")
    drawn.wait_for_selector(".head-tiles figure")
    drawn.get_by_label("Switch head 2 off, and draw again").click()
    drawn.wait_for_selector(".compare-captions")
    (head,) = drawn.evaluate("limelight.picture.settings.heads")
    assert (head["head"], head["scale"]) == (1, 0)
    assert head["site"].startswith("up_blocks.")
    assert "heads Up 2 · layer 1:2" in drawn.locator(".compare-captions").inner_text()
    drawn.click("#tab-attention")
    drawn.wait_for_function("document.querySelectorAll('.head-tiles button')[1]?.textContent === 'is off'")
    drawn.click("#tab-picture")


def test_a_better_start_is_found_and_said_why(drawn):
    drawn.get_by_label("Find a better start").click()
    drawn.get_by_role("option", name="of 4").click()
    put(drawn.locator("#seed input, #seed textarea"), 6)
    draw(drawn, "a dog and a cat")
    drawn.wait_for_function("limelight.picture.prompt === 'a dog and a cat' && limelight.message.is_over")
    said = drawn.locator(".status").inner_text()
    seed = drawn.evaluate("limelight.picture.seed")
    assert f"Picked seed {seed}: both have a place; seed " in said
    assert 6 <= int(seed) < 10
    drawn.get_by_label("Find a better start").click()
    drawn.get_by_role("option", name="No", exact=True).click()


def test_draw_keeps_the_places_but_those_of_words_that_are_gone(drawn):
    draw(drawn, "a banana")
    drawn.wait_for_function("limelight.picture.prompt === 'a banana' && limelight.picture.state === 'done'")
    assert drawn.evaluate("limelight.picture.settings.paint") == []
    assert "no 'apple' any more; its place is left out" in drawn.locator(".status").inner_text()


def test_a_finger_paints_too(open_page):
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator("#pane-picture .word", has_text="apple").tap()
    page.locator(".place-word").tap()
    page.wait_for_function("document.querySelector('.frame').dataset.placing === 'true'")
    page.locator(".frame").scroll_into_view_if_needed()
    box = page.locator(".frame").bounding_box()
    touch = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", (0.2, 0.3)), ("touchMove", (0.5, 0.6)), ("touchMove", (0.6, 0.7))):
        point = {"x": box["x"] + at[0] * box["width"], "y": box["y"] + at[1] * box["height"]}
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function(f"{VALUE}?.paint.length === 1")
    assert page.evaluate(VALUE)["paint"][0]["box"] == pytest.approx([0.2, 0.3, 0.6, 0.7], abs=0.02)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
