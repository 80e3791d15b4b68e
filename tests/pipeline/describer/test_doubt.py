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
