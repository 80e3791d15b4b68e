import pytest

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.form.weights import reweigh, reword
from limelight.pipeline.text.syntax import parse


@pytest.mark.parametrize(
    ("prompt", "word", "weight", "expected"),
    [
        ("a red apple", "apple", 1.3, "a red (apple:1.3)"),
        ("a red (apple:1.3)", "apple", 0.5, "a red (apple:0.5)"),
        ("a red (apple:1.3)", "apple", 1.0, "a red apple"),
        ("a red ( apple : 1.3 )", "apple", 2.0, "a red ( (apple:2) : 1.3 )"),
        ("a (red apple:1.2)", "red", 1.5, "a ((red:1.5) apple:1.2)"),
        ("(red", "red", 1.5, "((red:1.5)"),
    ],
)
def test_the_word_gets_the_weight_and_the_rest_stays(prompt, word, weight, expected):
    start = prompt.index(word)
    assert reweigh(prompt, (start, start + len(word)), weight) == expected


def test_it_says_what_the_prompt_then_means():
    (part,) = parse(reweigh("two cats", (4, 8), 1.45))
    assert part.text == "two cats"
    assert part.weights == (1.0,) * 4 + (1.45,) * 4


@pytest.mark.parametrize(
    ("span", "weight"), [((4, 3), 1.0), ((0, 99), 1.0), ((0, 3), 11.0), ((0, 3), float("nan"))]
)
def test_a_word_that_is_not_in_the_prompt_is_refused(span, weight):
    with pytest.raises(NotOffered):
        reweigh("a red apple", span, weight)


def test_another_word_stands_in_place_of_one():
    assert reword("a red (apple:1.3)", (7, 12), " green pear ") == "a red (green pear:1.3)"


@pytest.mark.parametrize(("span", "word"), [((4, 3), "x"), ((0, 99), "x"), ((0, 3), "  ")])
def test_no_word_is_put_where_there_is_none(span, word):
    with pytest.raises(NotOffered):
        reword("a red apple", span, word)
