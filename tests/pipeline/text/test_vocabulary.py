"""The vocabulary of a small model, and its messages about unknown words."""

import warnings

import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.segments import words_in
from limelight.pipeline.text.vocabulary import Vocabulary, explain
from limelight.pipeline.text.warned import UnknownWords


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    known = Vocabulary.read(DEFAULT_MODEL)
    assert known is not None
    return known


def test_the_default_model_knows_what_it_was_trained_on(vocabulary) -> None:
    for prompt in (
        "a red apple to the left of a blue car on a yellow background",
        "Three hearts!",
        "a picture of two cute strawberries in front of a teal background, flat style",
        "",
    ):
        assert vocabulary.unknown(words_in(prompt)) == ()
    assert "apple" in vocabulary.groups["nouns"]


def test_words_that_it_does_not_know_are_named_once_with_near_ones(vocabulary) -> None:
    unknown = vocabulary.unknown(["a", "Wombat", "and", "an", "aple", "and", "Wombat", "mermaid"])
    assert unknown == ("Wombat", "aple", "mermaid")
    text = explain(vocabulary.offers(["a", "zxcvb", "and", "an", "aple"]))
    assert "not trained on 'zxcvb'," in text  # and no word is near it
    assert "apple" in text.partition("'aple' (near: ")[2].partition(")")[0].split(", ")
    assert "`limelight vocabulary`" in text


def test_most_models_have_no_vocabulary(tmp_path) -> None:
    assert Vocabulary.read(tmp_path) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "is not valid JSON"), ("[]", "is no vocabulary"), ('{"nouns": 3}', "is no vocabulary")],
)
def test_a_broken_file_is_refused(content: str, reason: str, tmp_path) -> None:
    (tmp_path / "vocabulary.json").write_text(content)
    with pytest.raises(ModelError, match=f"vocabulary.json {reason}"):
        Vocabulary.read(tmp_path)


def test_a_prompt_with_unknown_words_is_drawn_and_says_so(sd_folder) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    with pytest.warns(UnknownWords, match="not trained on 'wombat'"):
        pipe("a red wombat", num_steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe("a red (apple:1.3) BREAK", num_steps=1)
        TextToImagePipeline.from_pretrained(sd_folder, device="cpu")("a dragon", num_steps=1)
