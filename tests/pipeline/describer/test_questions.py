"""Questions as people type them."""

import time
from collections.abc import Iterable

import pytest

from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.phrases import EXAMPLES, Token, examples
from limelight.pipeline.describer.questions import read
from limelight.pipeline.describer.vocabulary import Words


def wording_of(tokens: Iterable[Token]) -> str:
    return " ".join(token.word for token in tokens)


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
        ("what do you see in the picture?", "what is there"),
        ("What's this?", "what is there"),
        ("describe the picture", "what is there"),
        ("is this an apple?", "is there an apple"),
        ("is this a photo of an apple?", "is there an apple"),
        ("is that apple red?", "is the apple red"),
        ("are there 2 cars?", "are there two cars"),
        ("does the picture show three cars?", "are there three cars"),
        ("how many items do you see?", "how many things"),
        ("what's the background?", "what colour is the background"),
        ("is there an apple on the left of the car?", "is the apple left of the car"),
    ],
)
def test_the_wording_of_a_question(typed: str, wording: str, words: Words) -> None:
    assert wording_of(read(typed, words).tokens) == wording


@pytest.mark.parametrize(
    ("typed", "wording", "presumed"),
    [
        ("what is left of the red car?", "what is left of the car", ["red car"]),
        ("what is above the car?", "what is above the car", ["car"]),
        ("is the red apple above the blue car?", "is the apple above the car", ["red apple", "blue car"]),
        ("where is the blue apple?", "where is the apple", ["blue apple"]),
        ("where is the apple?", "where is the apple", []),
        ("what colour is the red car?", "what colour is the car", ["red car"]),
        ("is there a red car and an apple?", "is there an apple", ["red car"]),
        ("is there a car?", "is there a car", []),
    ],
)
def test_things_that_must_be_there_are_asked_for(
    typed: str, wording: str, presumed: list[str], words: Words
) -> None:
    found = read(typed, words)
    assert wording_of(found.tokens) == wording
    assert [wording_of(thing) for thing in found.presumed] == presumed


@pytest.mark.parametrize(
    ("typed", "wording", "said", "answer"),
    [
        ("is there one apple?", "how many apples", "one", "yes"),
        ("is there exactly 1 apple?", "how many apples", "two", "no"),
        ("are there two things?", "how many things", "two", "yes"),
        ("is the background grey?", "what colour is the background", "gray", "yes"),
        ("is the background white?", "what colour is the background", "gray", "no"),
        ("is there anything blue?", "what is blue", "the car", "yes"),
        ("is anything blue?", "what is blue", "nothing", "no"),
        ("is there something left of the car?", "what is left of the car", "nothing", "no"),
        ("is there an apple?", "is there an apple", "yes", "yes"),
        ("what is blue?", "what is blue", "nothing", "nothing"),
    ],
)
def test_some_answers_follow_from_those_to_others(
    typed: str, wording: str, said: str, answer: str, words: Words
) -> None:
    found = read(typed, words)
    assert wording_of(found.tokens) == wording and found.answer(said) == answer


@pytest.mark.parametrize(
    ("typed", "place", "answer"),
    [
        ("what is on the left?", "left", "a car"),
        ("What's on the right side?", "right", "a car"),
        ("what is in the middle of the picture?", "middle", "a car"),
        ("what is in the center?", "middle", "a car"),
        ("what do you see at the top?", "top", "a car"),
        ("what stands on the left half of the picture?", "left", "a car"),
        ("what is there at the bottom", "bottom", "a car"),
        ("is there anything on the left?", "left", "yes"),
        ("do you see something at the top?", "top", "yes"),
    ],
)
def test_a_side_of_the_picture_limits_what_is_there(
    typed: str, place: str, answer: str, words: Words
) -> None:
    found = read(typed, words)
    assert (wording_of(found.tokens), found.place) == ("what is there", place)
    assert found.answer("a car") == answer and found.answer("nothing") in ("nothing", "no")


def test_a_side_of_a_thing_is_none_of_the_picture(words: Words) -> None:
    found = read("what is on the left of the car?", words)
    assert (wording_of(found.tokens), found.place) == ("what is left of the car", "")


@pytest.mark.parametrize("typed", ["is there no apple?", "isn't there a car?", "is the apple not red?"])
def test_a_negation_is_refused(typed: str, words: Words) -> None:
    with pytest.raises(NotAQuestion, match="no negation is read"):
        read(typed, words)


@pytest.mark.parametrize("typed", ["are there 5 cars?", "are there seven apples?", "are there 0 apples?"])
def test_numbers_that_it_does_not_count_to_are_refused(typed: str, words: Words) -> None:
    with pytest.raises(NotAQuestion, match="counts from one to four"):
        read(typed, words)


@pytest.mark.parametrize(
    ("typed", "wording"),
    [
        ("Where is this?", "where is this"),
        ("where are we?", "where is this"),
        ("What place is it?", "where is this"),
        ("is it on a beach?", "is it on a beach"),
        ("Is this the beach?", "is it on a beach"),
        ("is it in the snow?", "is it in the snow"),
        ("is it on the moon?", "is it on the moon"),
        ("is it a moon?", "is there a moon"),
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
    assert wording_of(read_as.tokens) == wording
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
        ("is there an \xe4pple?", "'\xe4pple'; near: apple"),
        ("is there a big apple?", "about sizes"),
        ("is the apple on the left?", "ask for example"),
        ("is the background magenta?", "'magenta'; colours of backgrounds that it knows: white, red, gray"),
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
