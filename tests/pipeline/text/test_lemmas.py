"""Words of one meaning have one lemma, and others do not."""

import pytest

from limelight.pipeline.text.lemmas import is_plural, lemma

ALIKE = (
    "apple Apples APPLE apple's apple\u2019s",
    "gray grey Grays",
    "color colours",
    "woman women",
    "leaf leaves",
    "berry berries",
    "cookie cookies",
    "pie pies",
    "bus buses",
    "glass glasses",
    "dish dishes",
    "box boxes",
    "peach peaches",
    "house houses",
    "axe axes ax",
    "lens lenses",
    "potato potatoes",
    "cactus",
    "iris",
    "gas",
    "glove gloves",
    "caf\u00e9 cafe\u0301s",
)


@pytest.mark.parametrize("words", ALIKE)
def test_forms_of_a_word_have_one_lemma(words: str) -> None:
    assert len({lemma(word) for word in words.split()}) == 1


def test_other_words_have_others() -> None:
    firsts = [words.split()[0] for words in ALIKE]
    assert len({lemma(word) for word in firsts}) == len(firsts)
    assert lemma("bus") != lemma("bush")
    assert lemma("car") != lemma("cart")
    assert lemma("star") != lemma("starry")


@pytest.mark.parametrize(
    ("word", "many"),
    [
        ("dogs", True),
        ("kitties", True),
        ("mice", True),
        ("bus", False),
        ("dog", False),
        ("glass", False),
        ("dog's", False),
    ],
)
def test_plurals(word: str, many: bool) -> None:
    assert is_plural(word) is many
