"""docs/lessons/words-and-places.md on the page, as it says, part after part; answers are those of its key."""

import re

import pytest

from tests.app.ui.gestures import draw, put, wait_for_value

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RED, PLAIN, GREEN, ZEBRA = (
    f"{thing} on a blue background" for thing in ("a red apple", "an apple", "a green apple", "a red zebra")
)
TWO = "a red apple and a yellow banana on a blue background"
LEAF, MIDDLE = (0.41, 0.18), (0.5, 0.5)
BRIGHTEST = """() => {
  const { values, width } = limelight.lens.light().field;
  return (values.indexOf(Math.max(...values)) % width) / width;
}"""


@pytest.fixture(scope="module")
def page(module_page):
    """The page that a class has open for 45 minutes."""
    return module_page


def _type(page, prompt, seed):
    put(page.get_by_label("Seed", exact=True), seed)
    draw(page, prompt)
    page.wait_for_function("prompt => limelight.picture.prompt === prompt", arg=prompt)
    page.wait_for_function("limelight.lens.maps && limelight.lens.finished")


def _point_at(page, word):
    """How much of the attention the page says that the word has at most, in percent."""
    page.locator("#pane-picture .word", has_text=re.compile(rf"^{word}\??$")).hover()
    assert page.locator(".legend-title").inner_text() == word
    most = re.fullmatch(r"at most ([\d.]+) %", page.locator(".legend-most").inner_text())[1]
    assert f"it has {most} % of" in page.locator("canvas.picture").get_attribute("aria-label")
    return float(most)


def _words_at(page, point):
    """What the page lists under *Words at this point*: percent, by word, most first."""
    canvas = page.locator("canvas.picture")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"])
    assert page.get_by_text("Words at this point", exact=True).is_visible()
    rows = page.locator(".bar-list li").all()
    return {row.locator("span").inner_text(): float(row.locator("b").inner_text()[:-2]) for row in rows}


def test_1_look(page):
    _type(page, RED, 7)
    assert _point_at(page, "apple") == pytest.approx(57, abs=3)  # b
    assert _point_at(page, "red") == pytest.approx(26, abs=3)
    assert _point_at(page, "on") < 4
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_role("button", name="Pause", exact=True).click()
    film = page.get_by_role("slider", name="Step of the film")
    film.fill("1")
    assert page.locator(".step-value").inner_text() == "1 of 25"  # a
    film.fill(film.get_attribute("max"))
    assert page.locator(".step-value").inner_text() == "finished"


def test_2_predict_then_check(page):
    shares = _words_at(page, LEAF)
    assert list(shares)[:2] == ["apple", "red"]  # d
    assert shares["apple"] == pytest.approx(30, abs=5)
    assert shares["red"] == pytest.approx(20, abs=5)
    end, ends = page.locator(".legend-top"), []
    for scale in ("same for all words", "0 to its highest"):
        page.get_by_label("Scale").select_option(label=scale)
        assert _point_at(page, "blue") == pytest.approx(1.2, abs=0.2)  # e: the scale changes no value
        ends.append(float(end.inner_text()[:-2]))
    assert ends == [pytest.approx(57, abs=3), pytest.approx(1.2, abs=0.2)]
    page.get_by_label("Scale").select_option(label="same for all words")


def test_3_two_things(page):
    _type(page, TWO, 5)
    at = {}
    for word in ("red", "apple", "yellow", "banana"):
        _point_at(page, word)
        at[word] = page.evaluate(BRIGHTEST)
    assert min(at["red"], at["apple"]) > 0.5 > max(at["yellow"], at["banana"])  # f


def test_4_a_fair_test(page):
    _type(page, PLAIN, 7)
    for prompt in (RED, PLAIN):
        page.get_by_role("button", name=f"{prompt}, seed 7", exact=True).click()
        wait_for_value(page, "#prompt textarea", prompt)
        page.wait_for_function("prompt => limelight.picture.prompt === prompt", arg=prompt)
    _type(page, GREEN, 7)
    apples = {}
    for prompt in (RED, PLAIN):
        page.get_by_role("button", name=f"{prompt}, seed 7", exact=True).click()
        page.wait_for_function("prompt => limelight.lens.picture?.prompt === prompt", arg=prompt)
        apples[prompt] = _words_at(page, MIDDLE)
    assert apples[RED]["apple"] == pytest.approx(44, abs=3)  # j
    assert apples[RED]["red"] == pytest.approx(23, abs=3)
    assert apples[PLAIN]["apple"] == pytest.approx(81, abs=4)


def test_5_what_the_light_does_not_tell(page):
    _type(page, ZEBRA, 7)
    assert page.get_by_role("button", name="zebra, not known to the model").inner_text().endswith("?")
    assert _point_at(page, "zebra") > 50  # k
