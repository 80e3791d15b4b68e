"""Known words that are offered for words that a small model does not know."""

import json
from pathlib import Path
from typing import Any

import pytest

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.segments import words_in
from limelight.pipeline.text.near import Near
from limelight.pipeline.text.vocabulary import Vocabulary

FIRST: dict = {
    "nouns": {"dog": "dogs", "car": "cars", "donut": "donuts"},
    "colours": ["red"],
    "others": ["a", "on"],
}
SECOND = FIRST | {"places": ["on a beach"], "synonyms": {"puppy": "dog"}, "relations": ["in front of"]}
NEAR = {
    "words": {
        "puppy": ["dog"],
        "seaside": ["beach", "red"],
        "fire engine": ["car"],
        "ahead of": ["in front of"],
        "lion": ["cat"],
    },
    "kinds": {"animal": ["dog", "cat"]},
    "emoji": {"🐶": ["dog"], "🐱": ["cat"]},
}


@pytest.fixture
def vocabulary(tmp_path: Path, request: pytest.FixtureRequest) -> Vocabulary:
    (tmp_path / "vocabulary.json").write_text(json.dumps(request.param))
    (tmp_path / "near.json").write_text(json.dumps(NEAR))
    found = Vocabulary.read(tmp_path)
    assert found is not None
    return found


def offered(vocabulary: Vocabulary, prompt: str) -> list[str]:
    return [str(offer) for offer in vocabulary.offers(words_in(prompt))]


@pytest.mark.parametrize("vocabulary", [FIRST], indirect=True)
@pytest.mark.parametrize(
    ("prompt", "offers"),
    [
        ("a red dog", []),
        ("a Puppy on a puppy", ["'Puppy' (near: dog)"]),  # once
        ("red puppies", ["'puppies' (near: dogs)"]),
        ("a puppy's", ['"puppy\'s" (near: dog)']),
        ("a 👨\u200d👩\u200d👧", ["'👨\u200d👩\u200d👧'"]),  # without escapes
        ("on seaside", ["'seaside' (near: red)"]),  # this model does not know a beach
        ("a lion", ["'lion'"]),  # nor a cat
        ("an animal", ["'an'", "'animal' (for example: dog)"]),
        ("animals", ["'animals' (for example: dogs)"]),
        ("a red fire engine", ["'fire engine' (near: car)"]),
        ("a fire, a red engine", ["'fire'", "'engine'"]),
        ("a 🐶", ["'🐶' (near: dog)"]),
        ("a 🐶\ufe0f", ["'🐶\ufe0f' (near: dog)"]),
        ("a 🐱", ["'🐱'"]),  # this model does not know a cat
        ("a doughnut", ["'doughnut' (near: donut)"]),
        ("doughnuts", ["'doughnuts' (near: donuts)"]),
        ("a donutt", ["'donutt' (near: donut)"]),
        ("at", ["'at'"]),  # too short to be taken for a slip
        ("", []),
    ],
)
def test_the_first_edition(vocabulary: Vocabulary, prompt: str, offers: list[str]) -> None:
    assert offered(vocabulary, prompt) == offers


@pytest.mark.parametrize("vocabulary", [SECOND], indirect=True)
@pytest.mark.parametrize(
    ("prompt", "offers"),
    [
        ("a puppy on a beach", []),
        ("a seaside", ["'seaside' (near: beach, red)"]),
        ("puppies", ["'puppies' (near: dogs)"]),  # the known synonym has no plural
        ("ahead of a dog", ["'ahead of' (near: in front of)"]),
        ("frnot", ["'frnot' (near: front)"]),
    ],
)
def test_the_second_edition(vocabulary: Vocabulary, prompt: str, offers: list[str]) -> None:
    assert offered(vocabulary, prompt) == offers


@pytest.mark.parametrize("vocabulary", [FIRST], indirect=True)
def test_a_slip_of_the_hand_comes_before_the_meaning(vocabulary: Vocabulary) -> None:
    near = Near({"carr": ("dog",)})
    with_near = Vocabulary(vocabulary.groups, vocabulary.words, vocabulary.plurals, near)
    (offer,) = with_near.offers(["carr"])
    assert offer.words == ("car", "dog")


@pytest.mark.parametrize(
    "content",
    [
        *(
            "{",
            "[]",
            "{}",
            '{"words": {}}',
            '{"words": {}, "kinds": {}, "emoji": null}',
            '{"words": [], "kinds": {}, "emoji": {}}',
            '{"words": {"a": "b"}, "kinds": {}, "emoji": {}}',
        ),
        *(f'{{"words": {{"a": {offers}}}, "kinds": {{}}, "emoji": {{}}}}' for offers in ("[1]", "null")),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps(FIRST))
    (tmp_path / "near.json").write_text(content)
    with pytest.raises(ModelError, match=r"near\.json is (not valid JSON|no table of near words)"):
        Vocabulary.read(tmp_path)


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps(FIRST))
    found = Vocabulary.read(tmp_path)
    assert found is not None and offered(found, "a puppy") == ["'puppy'"]


@pytest.mark.parametrize(
    ("prompt", "near"),
    [
        ("a puppy", "dog"),
        ("an automobile", "car"),
        ("two automobiles", "cars"),
        ("a kitty", "cat"),
        ("a crimson cat", "red"),
        ("a huge cat", "big"),
        ("a cat underneath a car", "under"),
        ("a grey cat", "gray"),
        ("a 🐶", "dog"),
        ("a violin", "guitar"),
    ],
)
def test_the_default_model_offers_what_is_meant(prompt: str, near: str) -> None:
    known: Any = Vocabulary.read(DEFAULT_MODEL)
    offers = known.offers(words_in(prompt))
    assert not offers or near in offers[-1].words  # a model may know the word itself
