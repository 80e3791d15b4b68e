"""The parts of a prompt that are checked, and others for their places."""

import json
from pathlib import Path
from typing import Any

import pytest

from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.reading.others import parts_of
from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.encoder import Word
from limelight.pipeline.text.vocabulary import Vocabulary

FIRST: dict[str, Any] = {
    "nouns": {"apple": "apples", "cat": "cats", "star": "stars", "fish": "fish"},
    "colours": ["red", "orange"],
    "backgrounds": ["red", "white"],
    "sizes": ["small", "big"],
    "counts": ["two", "three", "four"],
    "relations": {
        "to the left of": "left",
        "left of": "left",
        "to the right of": "right",
        "right of": "right",
        "above": "above",
        "over": "above",
        "below": "below",
        "under": "below",
        "next to": "next",
        "and": "and",
    },
    "others": ["a", "an", "cute"],
}
SECOND: dict[str, Any] = {
    "nouns": {"orange": "oranges", "ice cream": "ice creams", "dog": "dogs", "grapes": "grapes"},
    "synonyms": {"puppy": "dog"},
    "colours": ["red", "orange"],
    "places": {
        "on a beach": "beach",
        "at the beach": "beach",
        "in a forest": "forest",
        "in the woods": "forest",
    },
    "stuff": ["sand", "trees"],
    "times": {"at sunset": "sunset", "at dusk": "sunset", "at night": "night", "by night": "night"},
    "weather": {"in the rain": "rain"},
    "sizes": {"small": "small", "tiny": "small", "big": "big", "huge": "big"},
    "relations": {"in front of": "front", "behind": "behind", "hiding behind": "behind", "with": "wearing"},
    "others": ["background"],
}


def vocabulary_of(stored: dict[str, Any], folder: Path) -> Vocabulary:
    (folder / "vocabulary.json").write_text(json.dumps(stored))
    found = Vocabulary.read(folder)
    assert found is not None
    return found


def found_in(prompt: str, vocabulary: Vocabulary | None) -> dict[str, tuple[str, tuple[str, ...]]]:
    words = [Word(prompt[start:end], (start, end), (start,)) for start, end in word_spans(prompt)]
    parts = list(parts_of(prompt, words, vocabulary))
    assert [str(part) for part in parts] == [str(part) for part in parts_of(prompt, words, vocabulary)]
    for part in parts:
        start, end = part.word.span
        assert prompt[start:end] == part.word.text and part.word.tokens
        assert len(part.others) in (1, 2) and prompt not in part.others
    return {part.word.text: (part.group, part.others) for part in parts}


@pytest.mark.parametrize(
    ("prompt", "text", "group", "others"),
    [
        ("a cat to the left of a star", "to the left of", "relations", {"a cat to the right of a star"}),
        ("a cat left of a star", "left of", "relations", {"a cat right of a star"}),
        ("a cat Above a star", "Above", "relations", {"a cat below a star"}),
        ("a cat over a star", "over", "relations", {"a cat under a star"}),
        ("a cat next to a star", "next to", "relations", {"a cat above a star", "a cat below a star"}),
        ("Two cats", "Two", "counts", {"three cats", "four cats"}),
        ("four cats", "four", "counts", {"three cats", "two cats"}),
        ("a big cat", "big", "sizes", {"a small cat"}),
        ("a red cat", "red", "colours", {"an orange cat"}),
        ("an Orange cat", "Orange", "colours", {"a red cat"}),
        ("An apple", "apple", "nouns", {"A cat", "A star", "A fish"}),
        ("apples", "apples", "nouns", {"cats", "stars", "fish"}),
        ("a red fish", "fish", "nouns", {"a red apple", "a red cat", "a red star"}),
        ("two fish", "fish", "nouns", {"two apples", "two cats", "two stars"}),
        ("a cat on a red background", "red", "backgrounds", {"a cat on a white background"}),
    ],
)
def test_the_first_edition(tmp_path: Path, prompt: str, text: str, group: str, others: set[str]) -> None:
    found = found_in(prompt, vocabulary_of(FIRST, tmp_path))[text]
    assert found[0] == group and set(found[1]) <= others
    assert len(found[1]) == min(2, len(others))


@pytest.mark.parametrize(
    ("prompt", "text", "group", "others"),
    [
        ("a dog in front of an ice cream", "in front of", "relations", {"a dog behind an ice cream"}),
        ("a dog hiding behind grapes", "hiding behind", "relations", {"a dog in front of grapes"}),
        ("a dog on a beach", "on a beach", "places", {"a dog in a forest"}),
        ("a dog at the beach", "at the beach", "places", {"a dog in the woods"}),
        ("a dog at night", "at night", "times", {"a dog at sunset"}),
        ("a dog by night", "by night", "times", {"a dog at dusk"}),
        ("a tiny dog", "tiny", "sizes", {"a huge dog"}),
        ("an ice cream", "ice cream", "nouns", {"a dog", "an orange"}),
        ("two ice creams", "ice creams", "nouns", {"two dogs", "two oranges", "two grapes"}),
        ("a puppy", "puppy", "synonyms", {"an orange", "an ice cream"}),  # and not a dog
        ("an orange", "orange", "nouns", {"an ice cream", "a dog"}),
        ("an orange dog", "orange", "colours", {"a red dog"}),
        ("an orange ice cream", "orange", "colours", {"a red ice cream"}),
        (
            "grapes on a beach",
            "grapes",
            "nouns",
            {"oranges on a beach", "ice creams on a beach", "dogs on a beach"},
        ),
        ("a dog on the sand", "sand", "stuff", {"a dog on the trees"}),
    ],
)
def test_the_second_edition(tmp_path: Path, prompt: str, text: str, group: str, others: set[str]) -> None:
    found = found_in(prompt, vocabulary_of(SECOND, tmp_path))[text]
    assert found[0] == group and set(found[1]) <= others
    assert len(found[1]) == min(2, len(others))


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("", []),
        ("a cute zebra", []),  # "cute" is no part, and nothing is known of the other
        ("a dog in front of a red background", ["dog", "red"]),  # a ground, not a thing
        ("in front of a dog", ["dog"]),
        ("a dog with grapes", ["dog", "grapes"]),  # says not where
        ("a dog in the rain", ["dog"]),  # no other weather is known
        ("an ice, a cream", []),
        ("an ice-cream", []),  # one word, which is not known
    ],
)
def test_what_is_no_part(tmp_path: Path, prompt: str, texts: list[str]) -> None:
    assert list(found_in(prompt, vocabulary_of(SECOND, tmp_path))) == texts


def test_no_noun_of_the_prompt_is_tried(tmp_path: Path) -> None:
    found = found_in("two apples and a star", vocabulary_of(FIRST, tmp_path))
    assert set(found["star"][1]) == {"two apples and a cat", "two apples and a fish"}


def test_relations_without_meanings_are_passed_over(tmp_path: Path) -> None:
    stored = FIRST | {"relations": list(FIRST["relations"])}
    assert list(found_in("a cat to the left of a star", vocabulary_of(stored, tmp_path))) == ["cat", "star"]


def test_without_a_vocabulary_the_prompt_without_a_word_is_tried() -> None:
    found = found_in("a castle at dusk", None)
    assert found == {"castle": ("", ("a  at dusk",)), "dusk": ("", ("a castle at ",))}


def test_the_default_models_relations_have_opposites() -> None:
    known = Vocabulary.read(DEFAULT_MODEL)
    assert known is not None
    for phrase, meaning in known.meanings["relations"].items():
        found = found_in(f"a cat {phrase} a dog", known)
        joins = meaning == "and" or phrase in ("with", "by")
        assert (phrase in found) == (not joins), phrase
