"""Painting over a picture in a browser."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.start_image import size_for
from tests.app.ui.gestures import draw, png, put, set_steps
from tests.default_model import SIDE

pytestmark = pytest.mark.browser


def _picture(page):
    data = page.evaluate("window.limelight.picture.image").partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), np.int16)


def _wait_for_another(page, seed):
    page.wait_for_function(
        "seed => limelight.picture?.state === 'done' && limelight.picture.seed === seed", arg=seed
    )


def _paint_the_lower_half(page):
    page.locator(".brush").fill("50")
    box = page.locator(".painter-mask").bounding_box()
    across, down = box["x"] + box["width"] / 2, box["y"] + 0.75 * box["height"]
    page.mouse.move(across - 0.5 * box["width"] + 4, down)
    page.mouse.down()
    page.mouse.move(across + 0.5 * box["width"] - 4, down, steps=6)
    page.mouse.up()


@pytest.mark.parametrize("width", [1360, 390])
def test_what_is_painted_is_drawn_again_and_the_rest_stays(open_page, width):
    page = open_page(viewport={"width": width, "height": 900})
    set_steps(page, 10)
    put(page.locator("#seed input, #seed textarea"), 7)
    draw(page, "a red apple on a blue background")
    before = _picture(page)

    page.click(".redraw")
    page.wait_for_selector(".painter[data-empty=false]")
    _paint_the_lower_half(page)
    assert page.locator(".painter-hint").inner_text() == "The painted part is drawn again; the rest stays."
    put(page.locator("#prompt textarea"), "a green frog on a yellow background")
    put(page.locator("#seed input, #seed textarea"), 8)
    page.click("#draw")
    _wait_for_another(page, "8")

    changed = np.abs(_picture(page) - before).mean((1, 2))  # of each row of pixels
    above, painted = changed[: SIDE * 7 // 16], changed[SIDE * 9 // 16 : SIDE * 15 // 16]
    assert painted.mean() > 4 * above.mean()
    assert above.mean() < 8
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_is_erased_stays_and_an_image_that_is_removed_is_not_used(open_page):
    page = open_page()
    page.get_by_text("Start from an image").click()
    page.wait_for_selector("[data-mounted] .painter")
    page.set_input_files(
        ".image-file", {"name": "x.png", "mimeType": "image/png", "buffer": base64.b64decode(png())}
    )
    page.wait_for_selector(".painter[data-empty=false]")
    _paint_the_lower_half(page)
    page.click(".painter .erase")
    _paint_the_lower_half(page)
    assert "All of it is drawn over" in page.locator(".painter-hint").inner_text()

    page.set_input_files(".image-file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no image"})
    page.wait_for_function(
        "document.querySelector('.painter-hint').textContent.startsWith('x.png is not an image')"
    )
    page.click(".painter .remove")
    set_steps(page, 2)
    draw(page, "a cat")
    assert page.evaluate("limelight.picture.settings.image") is None


def test_a_mask_can_be_loaded_and_an_image_gives_the_picture_its_shape(open_page):
    def file(name, image):
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return {"name": name, "mimeType": "image/png", "buffer": buffer.getvalue()}

    page = open_page()
    set_steps(page, 2)
    page.get_by_text("Start from an image").click()
    page.wait_for_selector("[data-mounted] .painter")
    page.set_input_files(".image-file", file("x.png", Image.new("RGB", (1600, 800), "teal")))
    width, height = size_for((1600, 800), (SIDE, SIDE), Limits())
    page.wait_for_function(
        "said => document.querySelector('.notice').textContent === said",
        arg=f"{width} x {height} pixels, as the image is.",
    )
    mask = Image.new("L", (1600, 800))
    mask.paste(255, (0, 0, 800, 800))
    page.set_input_files(".mask-file", file("mask.png", mask))
    page.wait_for_function(
        "document.querySelector('.painter-hint').textContent.startsWith('The painted part')"
    )
    draw(page, "a cat")
    settings = page.evaluate("limelight.picture.settings")
    assert (settings["width"], settings["height"]) == (width, height)
    assert (settings["image"]["width"], settings["mask"]["height"]) == (1024, 512)
