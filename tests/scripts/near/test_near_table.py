"""Tables of near words for the vocabularies of both editions."""

import json
from pathlib import Path

import pytest

from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.segments import spelled, words_in
from limelight.pipeline.text.vocabulary import Vocabulary
from scripts.near.table import near_table, write_near
from scripts.second.training.export import words_of
from scripts.second.world.nouns import NOUNS

FIRST = {
    "nouns": {"cat": "cats", "dog": "dogs", "tree": "trees", "boat": "boats"},
    "colours": ["red", "blue"],
    "relations": ["on top of", "next to"],
    "others": ["a", "background"],
}
SECOND = FIRST | {
    "places": ["on a beach", "on the sea"],
    "times": ["at sunset"],
    "sizes": ["big"],
    "synonyms": {"puppy": "dog"},
    "colours": ["red", "blue", "teal"],
}


def test_words_by_hand_and_by_keywords() -> None:
    words = near_table(FIRST)["words"]
    assert words["kitten"] == ["cat"]
    assert words["crimson"] == ["red"] and words["turquoise"] == ["blue"]
    assert words["atop"] == ["on top of"]
    assert words["ship"] == ["boat"]
    assert words["rabbit"][:2] == ["cat", "dog"]  # a pet, which few nouns are
    assert words["seaside"] == ["blue background"]
    words = near_table(SECOND)["words"]
    assert words["seaside"] == ["beach"]
    assert words["dusk"] == ["sunset"] and words["turquoise"] == ["teal", "blue"]
    assert words["puppy"] == ["dog"]  # for puppies


@pytest.mark.parametrize(
    ("emoji", "first", "second"),
    [
        ("🐱", "cat", "cat"),
        ("🏖", None, "beach"),  # with an umbrella, says its name
        ("⛱", "umbrella", "umbrella"),
        ("☀", "sun", "sun"),  # that shares more keywords with a sunflower
        ("🌧", "cloud", "cloud"),  # shares them with an umbrella
        ("🐠", None, "fish"),
        ("🌳", "tree", "tree"),
        ("🌴", "tree", "palm"),
        ("🌭", None, "hot dog"),
        ("🚏", None, None),  # a bus stop is no bus
        ("🍏", None, "green apple"),
        ("💙", None, "blue heart"),
        ("🖤", None, "heart"),
        ("🐈‍⬛", "cat", "cat"),
        ("😺", "cat", "cat"),
        ("🌟", "star", "star"),
        ("🕐", "clock", "clock"),
        ("🛸", None, "ufo"),
        ("🦁", None, "lion"),
    ],
)
def test_an_emoji_shows_what_it_is_named_for(emoji: str, first: str | None, second: str | None) -> None:
    nouns = ("cat", "dog", "tree", "umbrella", "sun", "cloud", "star", "clock", "sunflower", "bus")
    few = FIRST | {"nouns": {noun: f"{noun}s" for noun in nouns}}
    for vocabulary, word in ((few, first), (words_of(len(NOUNS)), second)):
        table = near_table(vocabulary)
        assert table["emoji"].get(emoji) == (word and [word])
        assert not (word and emoji in table["words"])


def test_a_keyword_of_many_nouns_is_a_kind() -> None:
    few = {"nouns": {noun.word: noun.plural for noun in NOUNS[14:18]}}
    many = {"nouns": {noun.word: noun.plural for noun in NOUNS[14:30]}}
    assert len(near_table(few)["words"]["animal"]) == 3 and "animal" not in near_table(few)["kinds"]
    assert near_table(many)["kinds"]["animal"] == ["cat", "dog", "panda", "frog"]
    assert "animal" not in near_table(many)["words"]


@pytest.mark.parametrize("vocabulary", [FIRST, SECOND, words_of(56), words_of(len(NOUNS))])
def test_only_known_words_are_offered(vocabulary: dict) -> None:
    phrases = [phrase for group in vocabulary.values() for phrase in group]
    phrases += vocabulary["nouns"].values()
    known = {spelled(word) for phrase in phrases for word in words_in(phrase)}
    for table in near_table(vocabulary).values():
        for key, offers in table.items():
            assert 1 <= len(offers) <= 4 and len(set(offers)) == len(offers), key
            assert all(spelled(word) in known for offer in offers for word in words_in(offer)), key


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.json").write_text(json.dumps(words_of(len(NOUNS))))
    path = write_near(tmp_path)
    assert path.stat().st_size < 150_000
    found = Vocabulary.read(tmp_path)
    assert found is not None
    meant = {
        "seaside": "beach",
        "ocean": "sea",
        "twilight": "sunset",
        "crimson": "red",
        "underneath": "under",
    }
    for typed, near in meant.items():
        assert found.offers([typed])[0].words[0] == near


def test_the_table_of_the_default_model_is_of_its_vocabulary() -> None:
    """Run `python -m scripts.near pipeline/default_model` after a change of either."""
    stored = json.loads((DEFAULT_MODEL / "vocabulary.json").read_text())
    assert json.loads((DEFAULT_MODEL / "near.json").read_text()) == near_table(stored)


def test_the_emoji_of_a_noun_shows_it() -> None:
    shown = near_table(words_of(len(NOUNS)))["emoji"]
    wrong = {noun.word: shown.get(noun.emoji.rstrip("\ufe0f")) for noun in NOUNS}
    assert {word: found for word, found in wrong.items() if found != [word]} == {}
