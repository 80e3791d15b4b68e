"""The page says what it sees: a caption whose words light up, answers, ticks under the prompt's words."""

import pytest
import torch
from playwright.sync_api import expect

from limelight.pipeline.describer.default import UNKNOWN
from limelight.pipeline.describer.description import Answer, Description, NotAQuestion, SeenWord
from limelight.pipeline.reading.agreement import agreement
from limelight.pipeline.reading.check import Atom, Check
from limelight.pipeline.text.encoder import Word
from tests.app.ui.gestures import RULES, axe, draw, put, set_steps

pytestmark = pytest.mark.browser
PROMPT = "a red apple on a blue background"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1360, "height": 900}
CAPTION = "two apples on red"
SEEN = ".caption .seen-word"


def corner(right: bool) -> torch.Tensor:
    """A map whose light is in one upper corner."""
    map = torch.zeros(16, 16)
    map[:6, 10:] = float(right)
    map[:6, :6] = float(not right)
    return map


class FakeDescriber:
    """Says the same of every picture, and looks where the tests expect it; `known` may be set."""

    known = 1.0

    def describe(self, picture):
        if self.known < 0.5:
            return Description(UNKNOWN, (), self.known)
        apples = SeenWord("apples", (4, 10), corner(right=False))
        return Description(
            CAPTION, (apples, SeenWord("on", (11, 13)), SeenWord("red", (14, 17), corner(True)))
        )

    def ask(self, picture, question):
        if not question.startswith("where"):
            raise NotAQuestion(f'{question!r} is no question that can be read; ask for example: "where?"')
        asked = SeenWord("apple", (9, 14), corner(right=False))
        return Answer(question, "left", (asked,), (SeenWord("left", (0, 4), corner(right=True)),))


def checked(describer, picture, prompt):
    words = {"red": ((2, 5), 0.97), "apple": ((6, 11), 0.6), "blue background": ((17, 32), 0.1)}
    return Check(tuple(Atom(Word(text, span, ()), "", score) for text, (span, score) in words.items()))


@pytest.fixture(scope="module")
def fake(served):
    """A describer in place of the page's."""
    describing, fake = served.studio.describing, FakeDescriber()
    patch = pytest.MonkeyPatch()
    patch.setattr(describing, "_describer", fake)
    patch.setattr("limelight.app.ui.actions.seeing.check_by_describer", checked)
    yield fake
    patch.undo()


@pytest.fixture(scope="module")
def seen(module_page, fake):
    """A page with a picture that was described."""
    page = module_page
    set_steps(page, 3)
    put(page.locator("#seed input, #seed textarea"), 7)
    draw(page, PROMPT)
    page.wait_for_function("limelight.history.entries.length === 1")
    page.click(".see")
    page.wait_for_selector(SEEN)
    return page


def is_dark(page, x, y):
    """Whether the spotlight's shade lies over a point of the picture, in shares of it."""
    return page.evaluate(
        """([x, y]) => { const light = document.querySelector("canvas.light");
        const [left, top] = [Math.round(x * (light.width - 1)), Math.round(y * (light.height - 1))];
        const copy = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        copy.drawImage(light, -left, -top);
        return light.style.opacity > 0 && copy.getImageData(0, 0, 1, 1).data[3] > 200; }""",
        [x, y],
    )


def test_pointing_at_a_word_of_the_caption_lights_its_part(seen):
    assert seen.locator(".caption").inner_text() == CAPTION
    assert seen.locator(SEEN).all_inner_texts() == ["apples", "red"]
    seen.locator(SEEN).first.hover()
    assert not is_dark(seen, 0.1, 0.1) and is_dark(seen, 0.9, 0.1)
    seen.locator(SEEN).last.hover()
    assert is_dark(seen, 0.1, 0.1) and not is_dark(seen, 0.9, 0.1)
    assert seen.locator(".legend-title").inner_text() == "red"
    seen.mouse.move(2, 2)
    expect(seen.locator(".seen-note")).to_contain_text("Point at a word")


def test_the_agreement_of_two_maps_is_that_of_python(seen, served, fake):
    seen.locator(SEEN).first.hover()
    said = seen.locator(".seen-note").inner_text()
    shown = seen.evaluate("limelight.picture.id")
    result = next(result for id, (_, result) in served.studio.results._kept.items() if id == shown)
    found = agreement(result.maps, fake.describe(result.image))
    (pair,) = [pair for pair in found.pairs if pair.prompt.text == "apple"]
    assert said == f"apples: map agreement {pair.iou:.2f} with \N{LEFT DOUBLE QUOTATION MARK}apple" + (
        "\N{RIGHT DOUBLE QUOTATION MARK} of the prompt"
    )
    seen.mouse.move(2, 2)


def test_the_keyboard_lights_words_asks_and_reads_the_answer(seen):
    seen.locator(".see").focus()
    for _ in range(2):  # past the switch
        seen.keyboard.press("Tab")
    assert seen.evaluate("document.activeElement.textContent") == "apples"
    assert not is_dark(seen, 0.1, 0.1) and is_dark(seen, 0.9, 0.1)
    seen.keyboard.press("ArrowRight")
    assert is_dark(seen, 0.1, 0.1) and not is_dark(seen, 0.9, 0.1)
    seen.keyboard.press("Tab")
    seen.keyboard.type("where is apple")
    seen.keyboard.press("Enter")
    seen.wait_for_selector(".answer .seen-word")
    assert seen.locator(".answer .sentence").all_inner_texts() == ["where is apple", "left"]
    seen.keyboard.press("Tab")
    seen.keyboard.press("Tab")
    assert seen.evaluate("document.activeElement.textContent") == "apple"
    assert not is_dark(seen, 0.1, 0.1)


def test_a_question_that_cannot_be_read_offers_others(seen):
    seen.fill(".asking input", "why?")
    seen.press(".asking input", "Enter")
    seen.wait_for_selector(".answer .seen-error")
    assert seen.locator(".answer .seen-error").inner_text() == "'why?' is no question that can be read"
    seen.click(".answer .button >> text=where is the cat?")
    expect(seen.locator(".answer .sentence").last).to_have_text("left")
    assert seen.locator(".asking input").input_value() == "where is the cat?"


def test_ticks_of_the_model_and_the_describer_stand_under_the_words(seen):
    seen.check(".check-words")
    seen.wait_for_selector(".ticks i[data-who=model]")
    signs = seen.locator(".words .word .ticks i[data-who=describer]").all_inner_texts()
    assert signs == ["\N{CHECK MARK}", "?", "\N{BALLOT X}"]
    last = seen.locator(".word", has_text="background")
    assert "the describer: no, 0.10" in last.text_content()  # for people who do not see the sign
    expect(seen.locator(".ticks-note")).to_contain_text("Square: the describer, mean 0.56.")
    height = seen.locator(".ticks-note").bounding_box()["height"]
    seen.locator(".word", has_text="apple").hover()
    expect(seen.locator(".ticks-note")).to_contain_text("the describer: unsure, 0.60.")
    # A shorter note would move the words below from under the pointer, and then back.
    assert seen.locator(".ticks-note").bounding_box()["height"] >= height
    seen.mouse.move(2, 2)
    assert seen.evaluate("limelight.see.ticks.found.get(limelight.picture.id).model.words.length") == 3
    seen.uncheck(".check-words")
    expect(seen.locator(".ticks")).to_have_count(0)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_no_violation(seen, mode, size):
    seen.evaluate(f"if (!window.axe) {{ {axe()}\n }}")
    seen.set_viewport_size(size)
    if seen.evaluate("document.documentElement.style.colorScheme") != mode:
        seen.click("#mode")
    seen.check(".check-words")
    seen.locator(SEEN).first.click()
    seen.wait_for_selector(f"{SEEN}[aria-pressed=true]")
    seen.wait_for_timeout(200)  # colours change slowly
    assert seen.evaluate(RULES) == []
    assert seen.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if size == PHONE:
        low = "document.querySelectorAll('.seeing button, .seeing input')].filter((e) => e.offsetHeight < 24)"
        assert seen.evaluate(f"[...{low}.length") == 0
    seen.locator(SEEN).first.click()
    expect(seen.locator(f"{SEEN}[aria-pressed=true]")).to_have_count(0)


def test_drawing_again_ends_a_check_and_is_not_blocked(seen, served):
    seen.set_viewport_size(DESK)
    seen.uncheck(".check-words")
    seen.click("#draw")
    seen.wait_for_function("limelight.picture?.state === 'done' && limelight.history.entries.length === 2")
    seen.check(".check-words")
    seen.click("#draw")
    seen.wait_for_function("limelight.history.entries.length === 3")
    assert seen.locator(SEEN).count() == 0  # another picture, of which nothing has been said
    seen.wait_for_selector(".ticks i[data-who=model]")
    assert not served.studio.checks.has_next()


def test_a_finger_lights_a_word_and_a_strange_picture_gets_no_words(open_page, fake):
    page = open_page(viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_function("limelight.lens.image")
    page.tap(".see")  # of the picture that comes with the page
    page.locator(SEEN).first.tap()
    assert not is_dark(page, 0.1, 0.1) and is_dark(page, 0.9, 0.1)
    assert "map agreement" in page.locator(".seen-note").inner_text()
    page.locator(SEEN).first.tap()
    assert not is_dark(page, 0.9, 0.1)
    fake.known = 0.034
    page.tap(".see")
    page.wait_for_selector(".seen-doubt")
    fake.known = 1.0
    assert page.locator(".caption").inner_text() == f"This picture is {UNKNOWN} (score 0.03 of 1)."
    assert page.locator(".asking").is_hidden()
