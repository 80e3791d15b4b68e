from typing import Any

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.changes import changes_of
from limelight.app.ui.form.restore import settings_of_record
from limelight.app.ui.form.settings import Settings, requests_of
from limelight.pipeline.errors import UsageError

STORED: dict[str, Any] = {
    "prompt": "a cat",
    "seed": "1",
    "edit_of": None,
    "scale_words": [],
    "blend_words": [],
}
CAT = {"span": [2, 5]}


def _weights(**scales: float) -> list[dict[str, Any]]:
    return [{"word": word, "scale": scale} for word, scale in scales.items()]


def _request(stored: dict[str, Any]):
    """The request of settings, checked as a visitor's."""
    settings = Settings(**settings_of_record(stored, Limits()), record="off")
    return requests_of(settings, Limits(), (64, 64))[0]


def test_another_word_keeps_the_first_picture() -> None:
    changed = changes_of(CAT | {"word": "dog", "keeps": True, "only": True}, STORED)
    assert changed == {"prompt": "a dog", "edit_of": "a cat", "blend_words": ["dog"], "scale_words": []}
    again = changes_of(CAT | {"word": "fox", "keeps": True}, STORED | changed)
    assert (again["prompt"], again["edit_of"], again["blend_words"]) == ("a fox", "a cat", [])


def test_another_word_keeps_the_weights_of_words_that_stay() -> None:
    edit = STORED | {"prompt": "a red dog", "edit_of": "a red cat", "scale_words": _weights(dog=2, Red=3)}
    changed = changes_of({"span": [6, 9], "word": "fox", "keeps": True}, edit)
    assert changed["scale_words"] == _weights(Red=3)
    with pytest.raises(UsageError, match="has weights of words, which an edit does not keep"):
        changes_of({"span": [6, 9], "word": "fox", "keeps": True}, edit | {"edit_of": None})


def test_a_scale_makes_an_edit_that_keeps_the_picture() -> None:
    changed = changes_of(CAT | {"scale": 2}, STORED)
    assert changed == {"edit_of": "a cat", "scale_words": _weights(cat=2)}
    request = _request(STORED | changed)
    assert (request.prompt, request.edit_of) == ("a cat", "a cat")
    assert [(each.word, each.scale) for each in request.scale_words] == [("cat", 2.0)]


def test_a_scale_takes_the_place_of_the_word_s_own_and_leaves_others() -> None:
    edit = STORED | {"prompt": "a dog", "edit_of": "a cat", "scale_words": _weights(Dog=2, a=0.5)}
    assert changes_of({"span": [2, 5], "scale": 0}, edit)["scale_words"] == _weights(a=0.5, dog=0)
    assert changes_of({"span": [2, 5], "scale": 1}, edit) == {
        "edit_of": "a cat",
        "scale_words": _weights(a=0.5),
    }


def test_an_edit_that_changes_nothing_is_none() -> None:
    edit = STORED | {"edit_of": "a cat", "scale_words": _weights(cat=2), "blend_words": ["cat"]}
    changed = changes_of(CAT | {"scale": 1}, edit)
    assert changed == {"edit_of": None, "scale_words": [], "blend_words": []}
    assert _request(edit | changed).edit_of is None


def test_a_picture_with_weights_of_its_own_stays_no_edit() -> None:
    changed = changes_of(CAT | {"scale": 3}, STORED | {"scale_words": _weights(cat=2)})
    assert changed == {"edit_of": None, "scale_words": _weights(cat=3), "blend_words": []}


@pytest.mark.parametrize("weights", [7, "cat=2", [7], {"cat": 2}])
def test_weights_that_are_none_are_refused(weights: Any) -> None:
    with pytest.raises(UsageError, match="the weights of words are no list of words and scales"):
        changes_of(CAT | {"scale": 2}, STORED | {"scale_words": weights})


@pytest.mark.parametrize("change", [{"scale": {}}, {"scale": "x"}, {"span": [1], "scale": 2}])
def test_a_scale_that_is_no_number_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="two whole numbers, and its weight a number"):
        changes_of(CAT | change, STORED)


@pytest.mark.parametrize(
    ("span", "scale"), [([2, 99], 11.0), ([2, 5], 11.0), ([2, 5], float("nan")), ([0, 0], 2.0)]
)
def test_a_scale_out_of_range_or_of_no_word_is_refused_with_the_request(
    span: list[int], scale: float
) -> None:
    with pytest.raises(UsageError):
        _request(STORED | changes_of({"span": span, "scale": scale}, STORED))


def test_a_picture_that_is_no_edit_empties_the_field() -> None:
    assert settings_of_record(STORED, Limits())["edit_of"] == ""
