"""docs/lessons/noise-and-steps.md on the page, as it says; answers are those of its key."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from tests.app.ui.gestures import draw_seed, put, set_steps
from tests.default_model import SIDE, part

pytestmark = [pytest.mark.browser, pytest.mark.slow]
APPLE, CAT, DOG = (
    "a red apple on a blue background",
    "a cat on a green background",
    "a dog on a green background",
)
MIDDLE, GROUND = (part(28, 36), part(28, 36)), (part(0, 6), part(0, 6))


@pytest.fixture(scope="module")
def page(module_page):
    """The page that a class has open for 45 minutes."""
    return module_page


def _pixels(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), float)


def _shown(page):
    return _pixels(page.evaluate("limelight.picture.image"))


def _film(page):
    """By step, what the film shows."""
    return {each["index"]: _pixels(each["image"]) for each in page.evaluate("limelight.picture.film")}


def test_1_from_noise_to_a_picture(page):
    draw_seed(page, APPLE, 7)
    slider = page.get_by_role("slider", name="Step of the film")
    slider.focus()
    page.keyboard.press("Home")
    assert page.locator(".step-value").inner_text() == "1 of 25"
    film = _film(page)
    red, green, blue = film[1][MIDDLE].mean((0, 1))  # a: a red disc on blue
    assert red > green + 200 and red > blue + 200
    red, green, blue = film[1][GROUND].mean((0, 1))
    assert blue > red + 200
    off = {step: np.abs(film[step] - film[24]).mean() for step in film}  # b
    assert off[1] - off[4] < 0.1 * (off[5] - off[12])
    assert off[5] - off[12] > 0.6 * off[1]
    red, green, blue = film[8][11 * SIDE // 64, 26 * SIDE // 64]  # c: the leaf
    assert green > red + 20 and green > blue + 100
    page.keyboard.press("End")
    assert page.locator(".step-value").inner_text() == "finished"


def test_2_what_the_seed_decides(page):
    first = _shown(page)
    put(page.locator("#count input"), 4)
    draw_seed(page, APPLE, 7)
    names = [each.get_attribute("aria-label") for each in page.locator(".strip button").all()]
    assert names == [f"Picture {i + 1}, seed {seed}, done" for i, seed in enumerate((7, 8, 9, 10))]
    page.locator(".strip button").nth(3).click()
    assert page.evaluate("limelight.picture.seed") == "10"
    put(page.locator("#count input"), 1)
    draw_seed(page, APPLE, 7)
    assert (_shown(page) == first).all()  # e
    draw_seed(page, "", 7)
    red, green, blue = _shown(page)[GROUND].mean((0, 1))  # f: pink
    assert red > 220 and red > blue > green


def test_3_how_many_steps(page):
    set_steps(page, 8)
    for steps in (8, 25):
        put(page.locator("#steps input[type=number]"), steps)
        draw_seed(page, APPLE, 7)
        page.wait_for_function("n => limelight.picture.settings.num_steps === n", arg=steps)
    page.click("#tab-compare")
    for i in (0, 1):
        page.locator(".history-list [role=listitem] button:first-child").nth(i).click()
    page.wait_for_selector("#pane-compare .compare-captions")
    captions = page.locator("#pane-compare .compare-captions").inner_text()
    assert "num steps 25" in captions and "num steps 8" in captions
    assert page.get_by_label("How much of the left picture is shown").is_visible()


def test_4_two_prompts_one_noise(page):
    page.click("#tab-picture")
    draw_seed(page, CAT, 3)
    cat, cats = _shown(page), _film(page)
    page.click("#pane-picture .word >> text=cat")
    page.get_by_label("Another word for cat").fill("dog")
    page.get_by_label("Keep the picture").uncheck()
    page.get_by_role("button", name="Draw the edit").click()
    page.wait_for_function("prompt => limelight.picture?.prompt === prompt", arg=DOG)
    page.wait_for_selector("#pane-compare .compare-steps")
    page.get_by_role("button", name="Side by side").click()
    page.locator(".compare-steps input").fill("1")
    assert page.locator(".compare-steps output").inner_text() == "step 1 of 25"
    dogs = _film(page)
    assert (
        np.abs(cats[1] - dogs[1])[GROUND].mean() < 15
    )  # j: the same ground, and another colour of the thing
    thing = part(32, 44), part(32, 40)
    assert dogs[1][thing][:, :, 2].mean() > cats[1][thing][:, :, 2].mean() + 100  # pink, not orange
    assert np.abs(cat - _shown(page))[part(0, 10)].mean() < 2  # l
