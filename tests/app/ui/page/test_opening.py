"""The page before anything is pressed, and the words that it knows."""

import json

import pytest

from limelight.app.ui.page.page import EXAMPLES
from limelight.app.ui.page.viewer import STATIC
from tests.app.ui.gestures import draw, set_steps
from tests.default_model import SIDE, UNKNOWN

FIRST, WHOLE = STATIC / "example.json", STATIC / "example-whole.json"
VIEW = 8_000  # bytes of the picture as it is looked at
MAX_BYTES = 7_800 + VIEW + 2 * SIDE**2, 320_000 + VIEW + 7 * SIDE**2


def test_the_example_is_by_the_default_model(pipe):
    remedy = "the model has changed: run `python -m scripts.page.example`"
    for file, most in zip((FIRST, WHOLE), MAX_BYTES, strict=True):
        picture = json.loads(file.read_text())
        assert picture["model_hash"] == pipe.model.hash.result(), remedy
        assert (picture["state"], picture["prompt"]) == ("done", EXAMPLES[0])
        assert file.stat().st_size < most
    kinds = {layer["kind"] for view in picture["maps"]["views"] for layer in view["layers"]}
    assert kinds == {"best", "grid", "heads"}
    assert [frame["index"] for frame in picture["film"]] == list(range(1, 25))


@pytest.mark.browser
def test_it_opens_with_a_picture_whose_words_are_lit_in_turn(open_page, pipe):
    page = open_page()
    page.wait_for_function("window.limelight.lens.image", timeout=1500)
    page.wait_for_function("window.limelight.lens.selected.size === 1")
    first = page.locator("#pane-picture .word[aria-pressed=true]").inner_text()
    page.wait_for_function(
        "first => document.querySelector('.word[aria-pressed=true]').textContent !== first", arg=first
    )
    page.click("#pane-picture .word >> text=apple")  # ends the tour
    assert page.evaluate("window.limelight.tour.isOn") is False
    assert page.locator(".legend-title").inner_text() == "apple"
    count = sum(map(len, pipe.model.best_maps.heads.values()))
    assert (
        page.locator(".legend-how").inner_text().startswith(f"The mean of {count} heads of the 16x16 sites")
    )
    # Dark where the apple is not: a corner has under a tenth of what the middle has.
    light = "([x, y]) => { const {field} = limelight.lens.light(); return field.values[y * 16 + x]; }"
    assert page.evaluate(light, [0, 15]) < 0.1 * page.evaluate(light, [8, 8])


@pytest.mark.browser
def test_the_noun_is_found_in_prompts_of_every_edition(open_page):
    nouns = {
        EXAMPLES[0]: "apple",
        "two tiny blue cars": "cars",
        "a cat to the left of a red dog": "cat",
        "a penguin wearing a hat in the snow": "penguin",
        "one sleeping orange tiger": "tiger",
        "a tiger sleeping on the beach at night": "tiger",
        "a fox made of gold": "fox",
        "the": "the",
    }
    found = open_page().evaluate(
        """async (prompts) => {
          const { nounOf } = await import(new URL("limelight/scripts/light.js", document.baseURI));
          return prompts.map((prompt) => {
            const chips = prompt.split(" ").map((text) => ({ text, part: "word" }));
            return chips[nounOf({ chips })].text;
          });
        }""",
        list(nouns),
    )
    assert dict(zip(nouns, found, strict=True)) == nouns


@pytest.mark.browser
def test_with_reduced_motion_the_noun_is_lit_without_a_tour(open_page):
    page = open_page(reduced_motion="reduce")
    page.wait_for_function("document.querySelector('.word[aria-pressed=true]')?.textContent === 'apple'")
    assert page.evaluate("window.limelight.tour.isOn") is False


@pytest.mark.browser
def test_a_known_word_is_added_and_an_unknown_one_is_marked(open_page):
    page = open_page()
    set_steps(page, 2)
    page.get_by_text("Words that the model knows").click()
    page.locator(".known-word", has_text="octopus").click()
    assert page.input_value("#prompt textarea") == f"{EXAMPLES[0]} octopus"
    draw(page, f"a ({UNKNOWN}:1.3) and a (red:1.2) apple")
    assert page.locator("#pane-picture .word .unknown").count() == 1
    word = page.locator("#pane-picture .word", has_text=UNKNOWN)
    assert word.get_attribute("aria-label") == f"{UNKNOWN}, not known to the model"
    said = page.locator(".status").inner_text()
    assert f"'{UNKNOWN}'" in said
    assert "1.3" not in said  # a weight is no word


@pytest.mark.browser
def test_a_near_word_is_put_in_place_of_an_unknown_one(open_page):
    page = open_page()
    set_steps(page, 2)
    assert page.locator(".near").is_hidden()
    draw(page, "a Hound on a (hound:1.2), a jack  o lantern and houndish")
    line = page.locator(".near")
    assert line.locator("b").all_inner_texts() == ["Hound", "jack o lantern"]
    line.get_by_text("dog", exact=True).click()
    line.get_by_text("pumpkin", exact=True).click()
    assert page.input_value("#prompt textarea") == "a dog on a (dog:1.2), a pumpkin and houndish"
    draw(page, "a red apple")
    assert line.is_hidden()
