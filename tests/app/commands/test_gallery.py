"""The gallery of a run in a browser, from its folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import expect

from limelight.pipeline.batch.summary.gallery import pages_of

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A gallery of a hundred pictures on two pages; errors and requests to other servers fail the test."""
    (tmp_path / "maps").mkdir()
    entries = []
    for i in range(1100):
        thing = ("apple", "frog", "star")[i % 3]
        values = {"kind": ("fruit", "animal", "sky")[i % 3], "find": ("x", "y")[i % 2]}
        usual = {
            "key": f"{i:024x}",
            "id": f"id{i}",
            "line": i,
            "status": "done",
            "file": "p.png",
            "error": None,
        }
        entries.append(
            {**usual, "is_constant": False, "maps": None, "prompt": f"a red {thing}", "seed": i, **values}
        )
    Image.new("RGB", (8, 8), "red").save(tmp_path / "p.png")
    for name, text in pages_of(entries):
        (tmp_path / name).write_text(text)
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page, faults = context.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith("file:") or faults.append(request.url))
    page.goto((tmp_path / "index.html").as_uri())
    yield page
    context.close()
    assert faults == []


def test_words_and_columns_are_found_and_kept_on_the_next_page(page: Any) -> None:
    shown = page.locator("figure:visible")
    expect(page.locator("output")).to_have_text("All 1000 pictures on this page")
    page.fill("input", "RED frog")
    expect(shown).to_have_count(333)
    page.select_option("[name='by:find']", "y")
    expect(page.locator("output")).to_have_text("167 of 1000 pictures on this page")
    assert set(shown.locator("figcaption").all_inner_texts()[0].split()) >= {"frog", "id1"}
    page.click("nav a")
    expect(shown).to_have_count(17)
    expect(page.locator("input")).to_have_value("RED frog")
    page.click("text=Show all")
    expect(shown).to_have_count(100)
    assert page.url.endswith("index-2.html")


def test_it_fits_a_phone(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
