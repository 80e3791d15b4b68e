"""Another word for one of a picture's, in a browser: the edit, both pictures in step, and the way back."""

import base64
import io
import json
from urllib.parse import parse_qsl

import pytest
from PIL import Image

from limelight.pipeline.results.png import read_record
from tests.app.ui.gestures import draw, put, set_steps, wait_for_value

pytestmark = pytest.mark.browser
BASE, EDITED = "a cat and a banana on a blue background", "a dog and a banana on a blue background"


@pytest.fixture(scope="module")
def edited(module_page):
    """A page with a picture, and an edit of it that was typed."""
    page = module_page
    set_steps(page, 4)
    put(page.locator("#seed input, #seed textarea"), 5)
    draw(page, BASE)
    page.wait_for_function("limelight.history.entries.length === 1")
    assert page.locator(".rewrite").is_hidden()
    page.click("#pane-picture .word >> text=cat")
    assert page.locator(".rewrite-old").inner_text() == "cat"
    assert page.locator(".rewrite-keep").is_checked()
    page.keyboard.type("dog")  # on the word, which the click has given the focus
    page.keyboard.press("Enter")
    page.wait_for_selector("#pane-compare .compare-captions")
    page.wait_for_function("limelight.history.entries.length === 2")
    return page


def _record(page):
    url = page.evaluate("limelight.picture.image")
    return read_record(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def _sides(page):
    return page.evaluate(
        "[...document.querySelectorAll('.compare-frame canvas')].map((each) => each.toDataURL()).reverse()"
    )


def test_the_word_that_is_typed_is_drawn_in_the_old_ones_place(edited, served):
    record = _record(edited)
    asked = record["request"]
    assert (asked["prompt"], asked["edit_of"], asked["seed"]) == (EDITED, BASE, 5)
    assert record["edit"] == ["cat -> dog"]
    assert edited.locator(".status").inner_text() == "Edited: cat → dog."
    assert json.loads(edited.evaluate("JSON.stringify(limelight.picture.settings)"))["edit_of"] == BASE


def test_both_pictures_lie_side_by_side_and_share_words_and_steps(edited):
    boxes = [each.bounding_box() for each in edited.locator(".compare-frame canvas").all()]
    right, left = boxes  # the left one lies over the other where they are not side by side
    assert left["x"] + left["width"] <= right["x"] and left["y"] == right["y"]
    edited.click("#pane-compare .word >> text=cat → dog")
    legend = edited.locator("#pane-compare [role=status]").inner_text()
    assert legend.count("up to") == 2 and "none" not in legend
    finished = _sides(edited)
    edited.locator(".compare-steps input").fill("1")
    assert edited.locator(".compare-steps output").inner_text() == "step 1 of 4"
    edited.wait_for_function(
        "(at) => document.querySelector('.compare-frame canvas').toDataURL() !== at", arg=finished[1]
    )
    assert all(one != other for one, other in zip(_sides(edited), finished, strict=True))
    edited.locator(".compare-steps input").fill("5")
    assert edited.locator(".compare-steps output").inner_text() == "finished"
    assert _sides(edited) == finished
    edited.get_by_role("button", name="Side by side").click()
    one, other = (each.bounding_box() for each in edited.locator(".compare-frame canvas").all())
    assert one == other


def test_the_edit_is_one_entry_that_is_taken_back_and_brought_again(edited):
    edited.get_by_role("button", name="Undo the change").click()
    edited.wait_for_function("limelight.history.entries.length === 1")
    assert edited.evaluate("limelight.picture.prompt") == BASE
    assert edited.locator("#pane-picture").is_visible()
    edited.click(".undo-history")
    edited.wait_for_function("limelight.history.entries.length === 2")


def test_nothing_typed_draws_nothing_and_says_so(edited):
    edited.evaluate("limelight.lens.selected.clear()")
    edited.click("#pane-picture .word >> text=banana")
    edited.get_by_role("button", name="Draw the edit").click()
    assert edited.locator(".status").inner_text() == "Type another word for “banana” first."


def test_nothing_else_changes_also_from_a_link(edited, open_page):
    edited.get_by_label("Another word for banana").fill("lemon")
    edited.get_by_label("Change nothing else").check()
    edited.get_by_role("button", name="Draw the edit").click()
    edited.wait_for_function("limelight.history.entries.length === 3")
    asked = _record(edited)["request"]
    assert (asked["edit_of"], asked["blend_words"]) == (BASE, ["lemon"])
    edited.click("#tab-picture")
    edited.click(".copy-link")
    edited.wait_for_function("location.hash.length > 1")
    fragment = edited.evaluate("location.hash")
    linked = dict(parse_qsl(fragment[1:]))
    assert linked | {"word": ""} == {
        "prompt": asked["prompt"],
        "seed": "5",
        "steps": "4",
        "word": "",
        "edit_of": BASE,
        "keep": "0.6,0.4",
        "blend_words": "lemon",
        "blend": "0.3,0.2",
    }
    other = open_page(fragment=fragment)
    other.wait_for_function("document.querySelector('.status').textContent.includes('Press Draw')")
    wait_for_value(other, "#prompt textarea", asked["prompt"])
    other.click("#draw")
    other.wait_for_function("limelight.picture?.state === 'done' && limelight.picture.id !== 'example'")
    assert _record(other)["request"] == asked


def test_a_word_that_is_typed_without_keeping_the_picture(edited):
    edited.click("#tab-picture")
    edited.evaluate("limelight.lens.selected.clear()")
    edited.click("#pane-picture .word >> text=cat")
    edited.get_by_label("Another word for cat").fill("frog")
    edited.get_by_label("Keep the picture").uncheck()
    assert edited.get_by_label("Change nothing else").is_disabled()
    edited.get_by_role("button", name="Draw the edit").click()
    edited.wait_for_function("limelight.history.entries.length === 4")
    asked = _record(edited)["request"]
    assert (asked["prompt"], asked["edit_of"], asked["blend_words"]) == (
        "a frog and a lemon on a blue background",
        None,
        [],
    )
    image = base64.b64decode(edited.evaluate("limelight.picture.image").partition(",")[2])
    assert Image.open(io.BytesIO(image)).size[0] >= 64
