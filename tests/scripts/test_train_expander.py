"""The language model that expands prompts learns captions of the world that its model was trained on."""

import json
from itertools import islice

import pytest

from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.text.expander import Expander
from limelight.pipeline.text.vocabulary import Vocabulary
from scripts.second.training.export import words_of
from scripts.second.world.nouns import CORE, NOUNS
from scripts.train_expander import UNKNOWN, captions, sayings, tokenizer_of, train


@pytest.fixture(params=[None, CORE, len(NOUNS)], ids=["first edition", "core", "whole"])
def vocabulary(request, tmp_path) -> Vocabulary:
    folder = DEFAULT_MODEL
    if request.param is not None:
        folder = tmp_path
        (folder / "vocabulary.json").write_text(json.dumps(words_of(request.param)))
    found = Vocabulary.read(folder)
    assert found is not None
    return found


def test_captions_are_of_known_words_and_can_leave_out_the_first_noun(vocabulary) -> None:
    """A word of a style may be a noun that the model does not know: a pencil sketch. `captions` skips it."""
    tokenizer, known = tokenizer_of(vocabulary), 0
    for full, other in islice(sayings(vocabulary, 0), 400):
        unknown = tokenizer.encode(full).count(tokenizer.unk_token_id)
        assert tokenizer.encode(other).count(tokenizer.unk_token_id) == unknown + 1, other
        before, after = other.split(UNKNOWN)
        assert full.lower().startswith(before) and full.lower().endswith(after)
        known += unknown == 0
    assert known > 390


def test_some_captions_are_said_without_their_noun(vocabulary) -> None:
    tokenizer = tokenizer_of(vocabulary)
    ids = captions(tokenizer, 300, sayings(vocabulary, 0))
    unknown = (ids == tokenizer.unk_token_id).sum(1)
    assert unknown.max() == 1
    assert 0.05 < unknown.float().mean() < 0.3


def test_a_trained_folder_expands_prompts(vocabulary, tmp_path) -> None:
    train(vocabulary, tmp_path / "expander", 2, 4, 8)
    expander = Expander.from_pretrained(tmp_path / "expander", vocabulary=vocabulary)
    expansion = expander.expand("a cat", seed=1)
    assert expansion.typed == "a cat"
    assert not vocabulary.unknown(expansion.added.replace(",", " ").replace(".", " ").split())
