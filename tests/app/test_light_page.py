"""The page of one picture, in a browser: words light up, and steps play."""

from pathlib import Path

import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.results.maps_export import export_maps


@pytest.mark.browser
def test_words_light_up_and_steps_play(pipe: TextToImagePipeline, browser, tmp_path: Path) -> None:
    result = pipe("a car, a red car", seed=3, num_steps=3, record="grid")
    path = next(each for each in export_maps(result, tmp_path) if each.suffix == ".html")
    tab = browser.new_page()
    failures: list[str] = []
    tab.on("pageerror", lambda error: failures.append(str(error)))
    tab.goto(path.as_uri())
    chips = tab.locator("#words button")
    assert chips.all_inner_texts() == ["a", "car", "a", "red", "car"]
    tab.locator("canvas").wait_for(state="visible")
    pressed = tab.locator("#words [aria-pressed=true]")
    pressed.click()
    tab.locator("canvas").wait_for(state="hidden")
    chips.last.press("Enter")
    tab.mouse.move(0, 0)
    tab.locator("canvas").wait_for(state="visible")
    assert tab.locator("output").inner_text() == "all steps"
    tab.locator("#steps input").press("Home")
    assert tab.locator("output").inner_text() == "step 1 of 3"
    tab.locator("#play").press("Enter")
    tab.locator("output", has_text="all steps").wait_for()
    assert not failures
    tab.close()
