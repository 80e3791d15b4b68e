"""The words of a picture in a notebook's page, without a script."""

from pathlib import Path
from typing import Any

import pytest

from limelight.pipeline import TextToImagePipeline


@pytest.mark.browser
def test_a_word_that_is_chosen_or_pointed_at_lights_up(
    browser: Any, pipe: TextToImagePipeline, tmp_path: Path
) -> None:
    result = pipe("a red apple", num_steps=2, record="grid")
    (tmp_path / "cell.html").write_text("<meta charset=utf-8>" + (result._repr_html_() or ""))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "cell.html").as_uri())

    def lit() -> list[str]:
        images = page.locator("img").element_handles()
        shown = [image for image in images if image.evaluate("i => getComputedStyle(i).opacity") == "1"]
        shown.sort(key=lambda image: int(image.evaluate("i => getComputedStyle(i).zIndex")))
        return [image.get_attribute("alt") for image in shown]

    page.get_by_role("radio", name="red").focus()
    page.keyboard.press("Space")
    assert lit() == ["where red acted"]
    page.keyboard.press("ArrowRight")
    assert lit() == ["where apple acted"]
    page.get_by_text("the picture").hover()
    assert lit() == ["where apple acted", "the picture"]  # the last is on top
    page.get_by_text("the picture").click()
    page.mouse.move(0, 600)
    assert lit() == ["the picture"]
    context.close()
