"""Nouns that the describer is not sure of."""

import pytest

from limelight.pipeline.describer.doubt import sure_words
from limelight.pipeline.describer.vocabulary import Words


@pytest.mark.parametrize(
    ("text", "doubtful", "expected"),
    [
        ("a red apple on a white background", "", "a red apple on a white background"),
        ("a red apple on a white background", "apple", "something red on a white background"),
        ("a small apple above a car", "apple", "something above a car"),
        ("a red apple above a blue car", "car", "a red apple above something blue"),
        ("three red apples on a gray background", "apples", "three red things on a gray background"),
        ("there is no car", "car", "there is no car"),
        ("the apple and the car", "car", "the apple and something"),
        ("a red background", "red", "a red background"),
    ],
)
def test_a_doubtful_noun_is_something(text: str, doubtful: str, expected: str, words: Words) -> None:
    tokens = text.split()
    chances = [0.5 if token == doubtful else 0.95 for token in tokens]
    found = sure_words(tokens, chances, words)
    assert " ".join(word for word, _ in found) == expected
    for word, at in found:  # each keeps its own map; "something" has that of the noun
        assert word == tokens[at] or tokens[at] == doubtful


@pytest.mark.parametrize(
    ("text", "doubtful", "expected"),
    [
        ("a golden fox on a beach at night", "fox", "something golden on a beach at night"),
        ("an upside down apple in the snow", "apple", "something in the snow"),
        ("an orange fox on an orange background", "orange", "an orange fox on an orange background"),
        ("an orange on a beach", "orange", "something on a beach"),
        ("a fox on the moon", "moon", "a fox on the moon"),
        ("a moon above a car", "moon", "something above a car"),
        ("orange", "orange", "orange"),
        ("something orange", "orange", "something orange"),
    ],
)
def test_a_noun_may_look_like_a_colour_or_a_place(
    text: str, doubtful: str, expected: str, more_words: Words
) -> None:
    tokens = text.split()
    found = sure_words(tokens, [0.5 if token == doubtful else 0.95 for token in tokens], more_words)
    assert " ".join(word for word, _ in found) == expected
