"""Scenes that are read have exact masks, and captions that are not true of them differ in one word."""

import numpy as np

from limelight.pipeline.reading.check import Atom, Check
from limelight.pipeline.text.encoder import Word
from scripts.reading.scenes import Change, changes, composed, score_of
from scripts.second.world.nouns import CORE


def atom(text: str, start: int, score: float) -> Atom:
    return Atom(Word(text, (start, start + len(text)), ()), "", score)


def test_a_false_caption_says_what_is_not_there(world_folder) -> None:
    rng, shown = np.random.default_rng(0), composed(world_folder, 12, CORE)
    assert [each.prompt for each in shown] == [each.prompt for each in composed(world_folder, 12, CORE)]
    kinds = set()
    for each in shown:
        assert each.image.size == (128, 128) and all(mask.any() for mask in each.masks)
        assert not (each.masks[0] & each.masks[1]).any()
        for change in changes(each.scene, rng, CORE):
            kinds.add(change.kind)
            assert change.word in each.prompt and change.wrong not in each.prompt.split()
            assert change.wrong in change.prompt and change.prompt != each.prompt
    assert kinds == {"noun", "colour", "relation", "ground", "place"}


def test_a_word_is_scored_where_it_is_said() -> None:
    """A colour may be said of a thing and of the ground."""
    prompt = "a red apple and a green pear on a red background"
    found = Check((atom("red", 2, 0.1), atom("apple", 6, 0.3), atom("pear", 24, 0.4), atom("red", 34, 0.9)))
    assert score_of(found, Change("colour", "red", "blue", prompt), "red") == 0.1
    assert score_of(found, Change("ground", "red", "blue", prompt), "red") == 0.9
    assert score_of(found, Change("noun", "cat", "dog", prompt), "cat") is None
