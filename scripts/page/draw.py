"""Pictures of the page, for the documentation: `python -m scripts.page.draw docs/images`."""

import argparse
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.page.page import build_page
from limelight.app.ui.server import Server, build_app
from limelight.app.ui.studio.describing import Describing
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.describer.default import FOLDER, DefaultDescriber

PROMPT, SEED, WORD = "a red apple on a blue background", "7", "apple"
DESK, PHONE = {"width": 1360, "height": 940}, {"width": 390, "height": 844}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--describer", type=Path, default=FOLDER, help="a folder of its weights")
    options = parser.parse_args()
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio({"default": TextToImagePipeline.from_pretrained(options.model)}, Limits())
    studio.describing = Describing(
        studio.limits, partial(DefaultDescriber.from_pretrained, options.describer)
    )
    started, urls = threading.Event(), []

    def say(url: str) -> None:
        urls.append(url)
        started.set()

    server = Server(build_app(build_page(studio), studio), host="127.0.0.1", port=0, say=say)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        started.wait()
        take_pictures(urls[0], folder)
    finally:
        server.should_exit = True
        thread.join()
        studio.close()


def take_pictures(url: str, folder: Path) -> None:
    """Draws a prompt on the light page, the dark page and a phone, lights up a word, and takes
    screenshots."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, size, mode in (
            ("light", DESK, "light"),
            ("phone", PHONE, "light"),
            ("dark", DESK, "dark"),  # last, as what it shows depends on what the describer says
        ):
            context = browser.new_context(viewport=size, color_scheme=mode, device_scale_factor=1)
            page = _drawn(context, url)
            _save(page, folder / f"page-{name}.png", full=name == "phone")
            if name == "light":
                page.click("#tab-attention")
                page.wait_for_selector(".multiples .tile")
                _save(page, folder / "page-attention.png", full=True)
                page.click("#tab-picture")
                _film(page, folder)
                _weigh(page)
                _save(page, folder / "page-compare.png", full=False)
                page.click("#tab-picture")
                _place(page)
                page.locator(".easel").screenshot(path=folder / "page-places.png")
                _paint(page)
                page.locator("#start").screenshot(path=folder / "page-painter.png")
            if name == "dark":
                _see(page)
                page.locator(".easel").screenshot(path=folder / "page-see.png")
            context.close()
        browser.close()


def _drawn(context: Any, url: str) -> Any:
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.goto(url)
    page.wait_for_function("window.limelight")
    for prompt, seed in (
        ("a green frog on a yellow background", "3"),
        ("two yellow stars", "1"),
        (PROMPT, SEED),
    ):
        _draw(page, prompt, seed)
    chip = page.locator("#pane-picture .word", has_text=WORD)
    if chip.get_attribute("aria-pressed") == "false":
        chip.click()
    box = page.locator("canvas.picture").bounding_box()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.55 * box["height"])
    page.wait_for_timeout(700)
    return page


def _draw(page: Any, prompt: str, seed: str) -> None:
    page.fill("#prompt textarea", prompt)
    page.fill("#seed input, #seed textarea", seed)
    page.click("#draw")
    page.wait_for_function(
        "([prompt, seed]) => limelight.picture?.state === 'done' && limelight.picture.id !== 'example'"
        " && limelight.picture.seed === seed && limelight.picture.prompt === prompt",
        arg=[prompt, seed],
    )


def _film(page: Any, folder: Path) -> None:
    """Stops the film at an early step, fills the screen with it, and saves it."""
    page.locator(".step").fill("5")
    page.click(".project")
    _save(page, folder / "page-projector.png", full=False)
    page.keyboard.press("Escape")
    page.evaluate("document.querySelector('.save-film').open = true")
    with page.expect_download() as download:
        page.click("[data-format=webp]")
    download.value.save_as(folder / "page-film.webp")
    print(folder / "page-film.webp")


def _see(page: Any) -> None:
    """Draws two things, checks the words of the prompt, and lights a word of the description."""
    _draw(page, "a red apple to the left of a blue car", "3")
    page.check(".check-words")
    page.click(".see")
    page.wait_for_selector(".ticks i[data-who=model]")
    page.fill(".asking input", "what is left of the car?")
    page.press(".asking input", "Enter")
    page.wait_for_selector(".answer .sentence")
    page.locator(".caption .seen-word", has_text="apple").click()
    page.wait_for_timeout(300)


def _place(page: Any) -> None:
    """Drags a box for each of two words, and draws the picture again."""
    _draw(page, "an apple and a banana", "6")
    for word, left, right in (("banana", 0.03, 0.47), ("apple", 0.53, 0.97)):
        chip = page.locator("#pane-picture .word", has_text=word)
        if chip.get_attribute("aria-pressed") == "false":
            chip.click()
        page.click(".place-word")
        page.wait_for_function("document.querySelector('.frame').dataset.placing === 'true'")
        page.locator(".frame").scroll_into_view_if_needed()
        box = page.locator(".frame").bounding_box()
        page.mouse.move(box["x"] + left * box["width"], box["y"] + 0.1 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + right * box["width"], box["y"] + 0.9 * box["height"], steps=4)
        page.mouse.up()
    page.locator("#pane-picture .word", has_text="apple").click()  # no light over the boxes
    page.click(".draw-again")
    page.wait_for_selector(".compare-captions")
    page.click("#tab-picture")
    page.wait_for_timeout(300)


def _weigh(page: Any) -> None:
    """Drags the lit word to another weight, and waits for both pictures side by side."""
    box = page.locator("#pane-picture .word", has_text=WORD).bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 10, steps=4)
    page.mouse.up()
    page.wait_for_selector(".compare-captions")
    page.locator("#pane-compare .word", has_text=WORD).click()
    page.evaluate("scrollTo(0, 0)")


def _paint(page: Any) -> None:
    """Takes the picture into the painter, and paints a stroke."""
    page.click(".redraw")
    page.wait_for_selector(".painter[data-empty=false]")
    page.wait_for_timeout(500)
    box = page.locator(".painter-mask").bounding_box()
    across, down = (box["x"], box["width"]), box["y"] + 0.3 * box["height"]
    page.mouse.move(across[0] + 0.3 * across[1], down)
    page.mouse.down()
    page.mouse.move(across[0] + 0.6 * across[1], down, steps=5)
    page.mouse.up()


def _save(page: Any, path: Path, *, full: bool) -> None:
    page.wait_for_timeout(300)
    page.screenshot(path=path, full_page=full)
    print(path)


if __name__ == "__main__":
    main()
