"""Questions as people type them."""

import time

import pytest

from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.questions import EXAMPLES, examples, read
from limelight.pipeline.describer.vocabulary import Words


@pytest.mark.parametrize(
    ("typed", "wording"),
    [
        ("Is there a RED apple in the picture?", "is there a red apple"),
        ("do you see an apple", "is there an apple"),
        ("is the apple there?", "is there an apple"),
        ("Does the image show apples?", "is there an apple"),
        ("How many cars are there?", "how many cars"),
        ("how many red cars do you see?", "how many red cars"),
        ("how many things?", "how many things"),
        ("are there two red apples?", "are there two red apples"),
        ("what's to the left of the car", "what is left of the car"),
        ("what is under the car?", "what is below the car"),
        ("what is near the car?", "what is next to the car"),
        ("Whats the color of the background?", "what colour is the background"),
        ("what colour are the foxes?", "what colour is the fox"),
        ("where is the car?", "where is the car"),
        ("Is the apple on top of the car?", "is the apple above the car"),
        ("is the apple next to the car?", "is the apple next to the car"),
        ("is the car blue?", "is the car blue"),
        ("which things are red?", "what is red"),
        ("What do you see?", "what is there"),
    ],
)
def test_the_wording_of_a_question(typed: str, wording: str, words: Words) -> None:
    read_as = read(typed, words)
    assert " ".join(token.word for token in read_as.tokens) == wording


@pytest.mark.parametrize(
    ("typed", "wording"),
    [
        ("Where is this?", "where is this"),
        ("where are we?", "where is this"),
        ("What place is it?", "where is this"),
        ("is it on a beach?", "is it on a beach"),
        ("Is this the beach?", "is it on a beach"),
        ("is it in the snow?", "is it in the snow"),
        ("is it the moon?", "is it on the moon"),
        ("is there a moon?", "is there a moon"),
        ("where is the moon?", "where is the moon"),
        ("is it night?", "is it night"),
        ("What time is it?", "what time is it"),
        ("what is the weather like?", "what is the weather"),
        ("is it snowing?", "is it snowing"),
        ("What is the apple made of?", "what is the apple made of"),
        ("is there a golden apple?", "is there a golden apple"),
        ("which things are golden?", "what is golden"),
        ("what is behind the car?", "what is behind the car"),
        ("is the fox in front of the car?", "is the fox in front of the car"),
        ("what is the fox wearing?", "what is the fox wearing"),
        ("are there five orange foxes?", "are there five orange foxes"),
        ("is there an orange orange?", "is there an orange orange"),
        ("is the orange orange?", "is the orange orange"),
    ],
)
def test_the_wording_of_a_question_about_a_world_with_places(
    typed: str, wording: str, more_words: Words
) -> None:
    read_as = read(typed, more_words)
    assert " ".join(token.word for token in read_as.tokens) == wording
    more_words.ids([token.word for token in read_as.tokens])
    assert all(token.word in typed.lower() for token in read_as.tokens if token.span)


@pytest.mark.parametrize("typed", ["where is this?", "is it night?", "what is the apple made of?"])
def test_a_world_without_a_group_does_not_read_questions_about_it(
    typed: str, words: Words, more_words: Words
) -> None:
    with pytest.raises(NotAQuestion):
        read(typed, words)
    assert read(typed, more_words).tokens
    assert set(examples(words)) < set(examples(more_words))


def test_words_know_where_they_were_typed(words: Words) -> None:
    typed = "Is the  Apple on top of the cars?"
    named = {token.word: typed[slice(*token.span)] for token in read(typed, words).tokens if token.span}
    assert named == {"apple": "Apple", "above": "on top of", "car": "cars"}


@pytest.mark.parametrize("typed", ["", "   ", "hello", "ist da ein Apfel?", "apple", "?" * 50, "\N{SNOWMAN}"])
def test_what_is_no_question_gets_examples(typed: str, words: Words) -> None:
    with pytest.raises(NotAQuestion, match=EXAMPLES[0].replace("?", r"\?")):
        read(typed, words)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("is there a zebra?", "does not know 'zebra'"),
        ("how many appels are there?", "'appels'; near: apples"),
        ("is there a magenta apple?", "'magenta'; colours of things that it knows: red, blue, orange"),
        ("is the apple purpel?", "'purpel'"),
        ("is there an apple" + " big" * 200, "at most 300"),
    ],
)
def test_a_word_that_is_not_known_is_named(typed: str, message: str, words: Words) -> None:
    with pytest.raises(NotAQuestion, match=message):
        read(typed, words)


@pytest.mark.parametrize("start", ["", "is ", "is there ", "how many ", "what is ", "are there two "])
@pytest.mark.parametrize("repeated", ["apple ", "is ", "on ", "in picture ", "left of ", "a", " "])
def test_a_long_question_is_refused_at_once(start: str, repeated: str, words: Words) -> None:
    typed = (start + repeated * 300)[:300]
    began = time.process_time()
    with pytest.raises(NotAQuestion):
        read(typed, words)
    assert time.process_time() - began < 0.2


def test_every_example_can_be_read_by_the_one_in_the_box() -> None:
    from limelight.pipeline.describer.default import DefaultDescriber

    words = DefaultDescriber.from_pretrained().words
    for example in EXAMPLES:
        assert read(example, words).tokens
        assert set(token.word for token in read(example, words).tokens) <= set(words.tokens)
