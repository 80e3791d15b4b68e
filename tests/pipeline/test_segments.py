# ruff: noqa: RUF001
"""Words of every script, by the definition of Unicode Standard Annex 29 and by hand."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limelight.pipeline.segments import spelled, touching, word_spans, words_in
from limelight.pipeline.text.clip_encoder import Token
from limelight.pipeline.text.encoder import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a red-brown fox's den, 3rd", ["a", "red-brown", "fox's", "den", "3rd"]),
        ("snake_case - 'quoted' o’clock", ["snake", "case", "quoted", "o’clock"]),
        ("a 🍎 on a table", ["a", "🍎", "on", "a", "table"]),
        ("🍎🍏", ["🍎", "🍏"]),
        ("🩷🫩 🫩", ["🩷", "🫩", "🫩"]),  # newer than the tables of some Pythons
        ("👩🏽‍🚀 and 👨‍👩‍👧‍👦!", ["👩🏽‍🚀", "and", "👨‍👩‍👧‍👦"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("❤️ ☀ 🏴󠁧󠁢󠁳󠁣󠁴󠁿", ["❤️", "☀", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"]),
        ("1️⃣ apple", ["1️⃣", "apple"]),
        ("一个红色的苹果", list("一个红色的苹果")),
        ("赤いリンゴ、デスク", ["赤", "い", "リンゴ", "デスク"]),
        ("cafe\u0301 ca\u00f1on", ["cafe\u0301", "ca\u00f1on"]),
        ("นก", ["น", "ก"]),
        ("빨간 사과", ["빨간", "사과"]),
        ("تفاحة حمراء", ["تفاحة", "حمراء"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("क्षत्रिय है", ["क्षत्रिय", "है"]),
        (", . ! $ + ()", []),
        ("\u0301", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_spellings() -> None:
    assert spelled("Cafe\u0301") == spelled("CAFÉ") == spelled("café") == "café"
    assert spelled("STRASSE") == spelled("straße")
    assert spelled("cafe") != spelled("café")


@given(st.text(max_size=80))
def test_any_text_has_words_in_order_that_do_not_overlap(text: str) -> None:
    spans = word_spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    assert [span for run in touching(spans) for span in run] == spans


@pytest.mark.parametrize("unit", ["a", "a'", "a-", "🍎", "🍎\u200d", "e\u0301", "红", "\u0301", "🇩"])
def test_time_is_linear(unit: str) -> None:
    started = time.perf_counter()
    word_spans(unit * 100_000)
    assert time.perf_counter() - started < 5


def test_a_token_of_several_characters_makes_them_one_word() -> None:
    tokens = [Token("红色</w>", (0, 2)), Token("的</w>", (2, 3))]
    assert [(word.text, word.tokens) for word in words_of("红色的", tokens)] == [("红色", (0,)), ("的", (1,))]


def test_a_learned_word_is_one_whatever_it_holds() -> None:
    tokens = [Token("<cat toy>", (2, 11), is_learned=True), Token("box</w>", (12, 15))]
    words = words_of("a <cat toy> box", tokens)
    assert [(word.text, word.is_learned) for word in words] == [("<cat toy>", True), ("box", False)]
