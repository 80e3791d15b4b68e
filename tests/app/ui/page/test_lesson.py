"""The first part of docs/lessons/words-and-places.md on the page, as it says."""

import pytest

from tests.app.ui.gestures import draw, put, wait_for_value

pytestmark = pytest.mark.browser


def test_pupils_find_what_the_lesson_names(open_page):
    page = open_page()
    put(page.get_by_label("Seed", exact=True), 7)
    draw(page, "a red apple on a blue background")
    page.get_by_role("button", name="apple", exact=True).first.hover()
    page.wait_for_function("document.body.innerText.includes('57 %')")
    film = page.get_by_role("slider", name="Step of the film")
    for step in ("1", film.get_attribute("max")):
        film.fill(step)
    scale = page.locator("select.scale")
    scale.select_option(label="0 to its highest")
    page.get_by_role("button", name="blue", exact=True).first.hover()
    page.wait_for_function(r"/1\.\d %/.test(document.body.innerText)")
    scale.select_option(label="same for all words")
    for name in ("Words at this point", "History", "Words that the model knows"):
        assert page.get_by_text(name, exact=True).first.is_visible(), name
    wait_for_value(page, "#prompt textarea", "a red apple on a blue background")
