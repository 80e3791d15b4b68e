"""The list of the words that a model knows, with the groups of both editions."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from limelight.app.ui.page.known import known_html, titles
from limelight.pipeline.text.vocabulary import Vocabulary

FIRST = ("nouns", "colours", "backgrounds", "sizes", "counts", "relations", "styles", "others")
SECOND = (*FIRST[:-1], "synonyms", "materials", "places", "stuff", "times", "weather", "poses", "others")


def page_of(**groups: tuple[str, ...]) -> str:
    pipe = SimpleNamespace(model=SimpleNamespace(vocabulary=Vocabulary(groups, frozenset())))
    studio: Any = SimpleNamespace(pipelines={"default": pipe})
    return known_html(studio)


@pytest.mark.parametrize("groups", [FIRST, SECOND])
def test_every_group_has_a_title_of_its_own_in_a_fixed_order(groups: tuple[str, ...]) -> None:
    found = titles(groups)
    assert set(found) == set(groups) and len(set(found.values())) == len(groups)
    assert [*found][0 :: len(found) - 1] == ["nouns", "others"]
    assert found == titles(reversed(groups)) and list(found) == list(titles(reversed(groups)))


def test_a_group_that_the_page_does_not_know_stands_before_the_other_words() -> None:
    assert titles(["others", "moods", "nouns"]) == {
        "nouns": "Things",
        "moods": "Moods",
        "others": "Other words",
    }


def test_phrases_are_whole_and_empty_groups_are_left_out() -> None:
    html = page_of(nouns=("ice cream",), relations=("in front of",), poses=())
    assert re.findall(r"<button[^>]*>([^<]*)<", html) == ["ice cream", "in front of"]
    assert "What things do" not in html


def test_words_are_escaped() -> None:
    assert "<b>" not in page_of(nouns=("<b>",), **{"<i>": ("x",)})
