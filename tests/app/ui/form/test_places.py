import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.places import places_of, without_lost_words
from limelight.app.ui.form.restore import settings_of_record
from limelight.app.ui.form.settings import Settings, requests_of
from limelight.pipeline.errors import UsageError

LEFT, RIGHT = [0, 0, 0.5, 1], [0.5, 0, 1, 1]
PAINT = {"word": "apple", "box": LEFT}
REGION = {"prompt": "a blue car", "box": RIGHT}
HEAD = {"site": "cross", "head": 0, "scale": 0.0}


def _request(places, prompt="an apple and a banana"):
    return requests_of(Settings(prompt=prompt, seed="1", places=places), Limits(), (64, 64))[0]


def test_places_become_fields_of_the_request_and_come_back_from_its_record():
    request = _request({"paint": [PAINT], "regions": [REGION], "heads": [HEAD]})
    assert [(each.word, each.box) for each in request.paint] == [("apple", tuple(LEFT))]
    assert [each.prompt for each in request.regions] == ["a blue car"]
    back = settings_of_record(request.to_dict(), Limits())["places"]
    assert _request(back).paint == request.paint
    assert _request(back).to_dict() == request.to_dict()


def test_a_record_without_places_clears_those_that_are_there():
    assert settings_of_record({"prompt": "a cat"}, Limits())["places"] is None
    assert _request(None).paint == ()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ("apple@/etc/passwd", "did not arrive as places"),
        ({"paint": "apple@/etc/passwd"}, "did not arrive as places"),
        ({"paint": ["apple@/etc/passwd"]}, "did not arrive as places"),
        ({"paint": [{"word": "apple", "mask": "/etc/passwd"}]}, "a mask did not arrive as one"),
        ({"regions": [{"prompt": "a", "mask": ["/etc/passwd"]}]}, "a mask did not arrive as one"),
        ({"files": []}, "did not arrive as places"),
        ({"paint": [PAINT | {"box": [0, 0, 0, 1]}]}, "must be 0 <= left < right <= 1"),
        ({"paint": [PAINT | {"strength": float("nan")}]}, "strength"),
        ({"paint": [PAINT] * 9}, "9 places were asked for; at most 8 here: remove some"),
        ({"regions": [REGION | {"prompt": ""}]}, "a region has no prompt"),
    ],
)
def test_bad_regions_are_refused_and_no_file_is_opened(places, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        places_of(places, Limits())


def test_places_of_words_that_the_prompt_has_lost_are_left_out():
    other = PAINT | {"word": "banana"}
    kept, lost = without_lost_words({"paint": [PAINT, other], "regions": [REGION]}, "a banana")
    assert (kept["paint"], kept["regions"], lost) == ([other], [REGION], ["apple"])
    by_word = {"prompt": "a car", "word": "apple"}
    assert without_lost_words({"regions": [by_word]}, "a pear")[1] == ["apple"]
    assert without_lost_words(None, "a") == (None, [])
