"""docs/lessons/training-data.md on the page, as it says; what its pictures show is tested in tests/docs."""

import pytest

from tests.app.ui.gestures import draw_seed, put

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HORSE, CAT = (f"a {what} on a white background" for what in ("horse", "cat"))
UNKNOWN = "{word}, not known to the model"


@pytest.fixture(scope="module")
def page(module_page):
    """The page that a class has open for 45 minutes."""
    return module_page


def _is_marked(page, word):
    return page.get_by_role("button", name=UNKNOWN.format(word=word)).count() == 1


def test_1_a_world_of_56_things(page):
    page.get_by_text("Words that the model knows").click()
    lists = page.locator(".known dl")
    names = lists.locator("dt").all_inner_texts()
    counts = [len(each.locator("button").all()) for each in lists.locator("dd").all()]
    assert {"Things": 56, "Colours": 8, "Backgrounds": 12}.items() <= dict(
        zip(names, counts, strict=True)
    ).items()
    black = lists.locator("dd", has=page.get_by_role("button", name="black", exact=True))
    assert black.count() == 1 and black.get_by_role("button", name="teal", exact=True).count() == 1  # e
    draw_seed(page, HORSE, 7)
    assert _is_marked(page, "horse")
    draw_seed(page, CAT, 7)
    assert not _is_marked(page, "cat")
    page.click("#tab-compare")
    for prompt in (HORSE, CAT):
        page.get_by_role("button", name=f"{prompt}, seed 7", exact=True).click()
    captions = page.locator("#pane-compare .compare-captions").inner_text()
    assert HORSE in captions and CAT in captions


def test_2_what_comes_along_with_a_word(page):
    page.click("#tab-picture")
    put(page.locator("#count input"), 4)
    draw_seed(page, "an umbrella on a white background", 1)
    assert page.locator(".strip button").count() == 4
    put(page.locator("#count input"), 1)
    draw_seed(page, "a black cat on a white background", 7)
    assert not _is_marked(page, "black")  # e
    draw_seed(page, "a sad sun on a white background", 7)
    assert _is_marked(page, "sad") and not _is_marked(page, "sun")  # f


def test_4_what_a_word_means(page):
    draw_seed(page, "a house with a door on a white background", 7)
    assert _is_marked(page, "door") and not _is_marked(page, "with")  # j
    draw_seed(page, "five apples on a white background", 7)
    assert _is_marked(page, "five")  # k
