"""The film of a picture's steps in a browser: shown, saved, compared, as large as the screen, and linked."""

import io

import pytest
from PIL import Image

from tests.app.ui.gestures import draw, put, set_steps, wait_for_value

pytestmark = pytest.mark.browser
STEPS = 5
SHOWN = "document.querySelector('canvas.picture').toDataURL()"


@pytest.fixture(scope="module")
def drawn(module_page):
    """A page with a picture of a few steps."""
    set_steps(module_page, STEPS)
    put(module_page.locator("#seed input, #seed textarea"), 7)
    draw(module_page, "a red apple")
    module_page.wait_for_function("limelight.lens.film.images.size > 0")
    return module_page


def _saved(page, selector):
    with page.expect_download() as download:
        page.click(selector)
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_steps_move_picture_and_light_together(drawn):
    drawn.locator(".words .word", has_text="apple").click()
    finished, light = drawn.evaluate(SHOWN), drawn.locator(".legend-top").inner_text()
    assert drawn.locator(".step-value").inner_text() == "finished"
    drawn.locator(".step").fill("1")
    assert drawn.locator(".step-value").inner_text() == f"1 of {STEPS}"
    assert drawn.evaluate(SHOWN) != finished
    assert drawn.locator(".legend-top").inner_text() != light
    drawn.locator(".step").fill(str(STEPS + 1))
    assert drawn.evaluate(SHOWN) == finished
    assert drawn.locator(".legend-top").inner_text() == light


def test_it_plays_to_its_end_pauses_and_has_a_speed(drawn):
    drawn.select_option(".speed", "2")
    drawn.click(".play")
    assert drawn.locator(".play").get_attribute("aria-label") == "Pause"
    drawn.wait_for_function("limelight.lens.film.frame >= 1")
    drawn.click(".play")
    at = drawn.evaluate("limelight.lens.film.frame")
    drawn.wait_for_timeout(300)
    assert drawn.evaluate("limelight.lens.film.frame") == at
    drawn.click(".play")
    drawn.wait_for_function("limelight.lens.film.isWhole && !limelight.lens.film.isPlaying")


@pytest.mark.parametrize(("words", "turns"), [("lit", 1), ("turn", 2)])
@pytest.mark.parametrize("format", ["gif", "webp"])
def test_it_is_saved_with_a_frame_for_each_step(drawn, format, words, turns):
    drawn.evaluate("document.querySelector('.save-film').open = true")
    drawn.select_option(".film-words", words)
    name, data = _saved(drawn, f"[data-format={format}]")
    assert name.endswith(f"-seed7-film.{format}")
    film = Image.open(io.BytesIO(data))
    assert (film.format, film.size) == (format.upper(), (512, 556))
    assert film.n_frames == turns * (STEPS + 1)  # of "a red apple", two words are longer than two letters
    film.seek(film.n_frames - 1)
    film.load()
    assert film.info["duration"] == 1400


def test_it_is_saved_as_a_video(drawn):
    drawn.evaluate("document.querySelector('.save-film').open = true")
    drawn.select_option(".film-words", "lit")
    name, data = _saved(drawn, "[data-format=mp4]")
    assert name.endswith(".mp4")
    assert data[4:8] == b"ftyp"
    url = "URL.createObjectURL(new Blob([new Uint8Array(bytes)], {type: 'video/mp4'}))"
    player = drawn.context.new_page()  # the page itself plays no videos
    seconds = player.evaluate(
        f"""(bytes) => new Promise((done, failed) => {{
          const video = document.createElement("video");
          video.onloadeddata = () => done([video.duration, video.videoWidth, video.videoHeight]);
          video.onerror = () => failed(video.error.message);
          video.src = {url};
        }})""",
        list(data),
    )
    player.close()
    assert seconds == [pytest.approx(STEPS * 0.16 + 1.4, abs=0.05), 512, 556]


def test_a_browser_without_videos_says_so(drawn):
    drawn.evaluate("void (window.kept = VideoEncoder, delete window.VideoEncoder)")
    drawn.evaluate("document.querySelector('.save-film').open = true")
    drawn.click("[data-format=mp4]")
    drawn.wait_for_function("document.querySelector('.saved').textContent.endsWith('save a GIF instead.')")
    drawn.evaluate("void (window.VideoEncoder = window.kept)")


def test_light_and_sheet_are_saved_as_images(drawn):
    name, data = _saved(drawn, ".save-overlay")
    assert name.endswith("-apple.png")
    assert Image.open(io.BytesIO(data)).size == (1024, 1024)
    name, data = _saved(drawn, ".save-sheet")
    sheet = Image.open(io.BytesIO(data))
    assert name.endswith("-sheet.png")
    assert sheet.width == 4 * (256 + 16) + 16  # the picture and three words


def test_the_full_screen_has_picture_words_and_film_alone(drawn):
    drawn.click(".project")
    frame = drawn.locator(".frame").bounding_box()
    assert frame["width"] == pytest.approx(frame["height"], abs=1)
    assert frame["height"] > 0.7 * drawn.evaluate("innerHeight")
    top = "([x, y]) => document.elementFromPoint(x, y).closest('.easel') !== null"
    assert drawn.evaluate(top, [20, 20]) is True
    assert drawn.locator(".words .word").first.bounding_box()["height"] > 40
    drawn.keyboard.press("Escape")
    assert drawn.locator("#stage").get_attribute("class") == "stage"


def test_a_link_brings_back_prompt_seed_steps_and_the_lit_word(drawn, open_page):
    drawn.click(".copy-link")
    drawn.wait_for_function("location.hash.length > 1")
    fragment = drawn.evaluate("location.hash")
    assert fragment == f"#prompt=a+red+apple&seed=7&steps={STEPS}&word=apple"
    other = open_page(fragment=fragment)
    wait_for_value(other, "#prompt textarea", "a red apple")
    wait_for_value(other, "#seed input, #seed textarea", "7")
    other.wait_for_function("document.querySelector('.status').textContent.includes('Press Draw')")
    other.click("#draw")
    other.wait_for_function("limelight.picture?.state === 'done' && limelight.picture.id !== 'example'")
    other.wait_for_function("document.querySelector('.legend-title').textContent === 'apple'")
    settings = other.evaluate("limelight.picture.settings")
    assert (settings["seed"], settings["num_steps"]) == ("7", STEPS)


def test_both_sides_of_a_comparison_have_the_light(drawn):
    drawn.click("[data-look=seed]")
    drawn.wait_for_selector(".compare-captions")
    sides = "[...document.querySelectorAll('.compare-frame canvas')].map(each => each.toDataURL())"
    drawn.wait_for_function(f"{sides}.every(each => each.length > 5000)")
    before = drawn.evaluate(sides)
    drawn.locator("#pane-compare .word", has_text="apple").click()
    assert all(lit != dark for lit, dark in zip(drawn.evaluate(sides), before, strict=True))
    assert "“apple” has up to" in drawn.locator("#pane-compare").inner_text()
    assert "seed 14" in drawn.locator(".compare-captions").inner_text()


def test_the_guided_examples_work(drawn):
    drawn.click("#tab-picture")
    drawn.click("[data-look=leaf]")
    drawn.wait_for_function("document.querySelector('.status').textContent.startsWith('At the leaf')")
    assert drawn.locator(".crosshair").is_visible()
    assert drawn.locator(".legend-title").inner_text() == "apple"
    drawn.click("[data-look=away]")
    drawn.wait_for_function("document.querySelector('.compare-captions')?.textContent.includes('(red:0)')")
