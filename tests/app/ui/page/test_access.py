"""The page for everybody: by axe-core's rules, by keyboard alone, and on a thin wire."""

from itertools import pairwise

import pytest

from tests.app.ui.gestures import RULES, axe, draw, put, set_steps
from tests.default_model import UNKNOWN

pytestmark = pytest.mark.browser
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1360, "height": 900}
MAX_WEIGHT = 350_000  # bytes on the wire until the page stands, headers too
MAX_SECONDS = 1.5  # from when the page can be used until a picture is seen


@pytest.fixture(scope="module")
def drawn(module_page):
    """A page whose parts are all open, with a history, a comparison and a lit word."""
    page = module_page
    page.evaluate(axe() + "\nvoid 0")
    set_steps(page, 2)
    for seed in (1, 2):
        put(page.locator("#seed input, #seed textarea"), seed)
        draw(page, f"a {UNKNOWN} and a red apple")
        page.wait_for_function("n => limelight.history.entries.length === n", arg=seed)
    for part in ("Guidance by attention", "Start from an image", "Enlarge", "Attention and maps"):
        page.get_by_text(part, exact=True).click()
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.click("#pane-picture .word >> text=apple")
    page.locator(".place-word").focus()
    page.keyboard.press("Enter")  # a box by numbers
    page.wait_for_selector(".places-list li")
    page.click(".place-region")
    page.wait_for_selector(".places-list .place-prompt")
    page.click("#tab-compare")
    for i in (0, 1):
        page.locator(".history-list [role=listitem] button:first-child").nth(i).click()
    page.click("#pane-compare .word >> text=apple")
    return page


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("tab", ["picture", "attention", "compare"])
def test_axe_finds_no_violation(drawn, tab, mode, size):
    drawn.set_viewport_size(size)
    if drawn.evaluate("document.documentElement.style.colorScheme") != mode:
        drawn.click("#mode")
    drawn.click(f"#tab-{tab}")
    drawn.wait_for_selector(f"#pane-{tab} .word[aria-pressed=true]")
    drawn.wait_for_timeout(200)  # colours change slowly
    assert drawn.evaluate(RULES) == []


def test_touch_targets_are_large_enough(drawn):
    drawn.set_viewport_size(PHONE)
    drawn.click("#tab-picture")
    small = """() => [...document.querySelectorAll("input:not([type=file]), button, select, summary")]
      .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 24)
      .map((each) => each.outerHTML.slice(0, 80))"""
    assert drawn.evaluate(small) == []
    assert drawn.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_headings_are_in_order(drawn):
    for tab in ("picture", "attention"):
        drawn.click(f"#tab-{tab}")
        levels = drawn.evaluate(
            """[...document.querySelectorAll("h1, h2, h3, h4")].filter((each) => each.offsetParent)
               .map((each) => Number(each.tagName[1]))"""
        )
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_attention_tab_opens_on_a_noun_and_its_labels_fit_a_phone(drawn):
    drawn.set_viewport_size(PHONE)
    drawn.click("#tab-attention")
    drawn.locator("#pane-attention .word", has_text="and").click()
    drawn.click("#tab-picture")
    drawn.evaluate("limelight.lens.selected.clear()")
    drawn.click("#tab-attention")
    lit = "document.querySelector('#pane-attention .word[aria-pressed=true]')?.textContent"
    drawn.wait_for_function(f"{lit} === 'apple'")  # and neither the article nor the unknown word
    wide = (
        "[...document.querySelectorAll('.column-name')].filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert drawn.evaluate(wide) == 0
    scrolls = """() => [...document.querySelectorAll(".multiples, #pane-attention .scroll")]
      .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.className)"""
    assert drawn.evaluate(scrolls) == []


def _tab_to(page, selector, back=False):
    """Presses Tab until the focus is there."""
    for _ in range(80):
        if page.evaluate("at => document.activeElement?.matches(at)", selector):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"Tab never reaches {selector}")


def test_the_keyboard_alone_draws_lights_scrubs_plays_and_compares(open_page):
    page = open_page()
    _tab_to(page, "#prompt textarea")
    page.keyboard.press("Control+A")
    page.keyboard.type("a red apple")
    page.keyboard.press("Control+Enter")
    page.wait_for_function("limelight.picture?.state === 'done' && limelight.picture.id !== 'example'")
    page.wait_for_function("limelight.lens.film.images.size > 0")
    _tab_to(page, ".step")
    page.keyboard.press("Home")
    assert page.locator(".step-value").inner_text() == "1 of 25"
    page.keyboard.press("ArrowRight")
    assert page.locator(".step-value").inner_text() == "2 of 25"
    _tab_to(page, ".play", back=True)
    page.keyboard.press("Space")
    page.wait_for_function("limelight.lens.film.frame >= 3")
    page.keyboard.press("Space")
    assert page.evaluate("limelight.lens.film.isPlaying") is False
    _tab_to(page, "#pane-picture .word")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator(".legend-title").inner_text() == "apple"
    page.keyboard.press("-")
    page.keyboard.press("-")
    page.wait_for_selector(".compare-captions")  # the same seed, with another weight
    _tab_to(page, ".compare-frame input")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.querySelector('.compare-frame').style.getPropertyValue('--cut')") == "49%"
    _tab_to(page, "#pane-compare .word")
    page.keyboard.press("Enter")
    assert page.locator("#pane-compare .word[aria-pressed=true]").count() == 1


def test_the_page_is_light_compressed_and_shows_a_picture_at_once(browser, served):
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    answers, sizes = {}, {}
    network.on(
        "Network.responseReceived", lambda event: answers.update({event["requestId"]: event["response"]})
    )
    network.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    page.goto(served.url)
    page.wait_for_function("window.limelight")
    page.wait_for_function("window.limelight.lens.image", timeout=1000 * MAX_SECONDS)
    page.wait_for_timeout(1000)
    context.close()
    weight = sum(sizes.values())
    print(f"{weight:,} bytes in {len(sizes)} answers")
    assert weight <= MAX_WEIGHT
    as_they_are = {
        answer["url"]: sizes[id]
        for id, answer in answers.items()
        if id in sizes and "content-encoding" not in {name.lower() for name in answer["headers"]}
    }
    assert {url: size for url, size in as_they_are.items() if size > 2_000} == {}
    assert all(answer["url"].startswith((served.url, "data:")) for answer in answers.values())
