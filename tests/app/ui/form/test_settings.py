"""From the controls of the page to a request."""

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.settings import NAMES, Settings, requests_of, shown
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import offered
from limelight.pipeline.requests.request import GenerationRequest


def request_of(**values: object) -> GenerationRequest:
    (request,) = requests_of(
        Settings(**{"prompt": "a", "seed": "1"} | values), Limits(), (64, 48), record=False
    )
    return request


def test_the_page_has_what_a_stranger_may_set() -> None:
    assert offered().keys() <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)


def test_empty_controls_leave_the_models_own_value() -> None:
    off = {"width": 0, "height": 0, "strength": 0, "hires_scale": 0, "hires_strength": 0.5}
    empty = {
        "guidance_scale": " ",
        "scheduler": "",
        "negative_prompt": "",
        "num_steps": None,
        "clip_skip": None,
    }
    assert request_of(**off, **empty) == GenerationRequest(prompt="a", seed=1, width=64, height=48)


def test_settings_reach_the_request() -> None:
    values = {
        "num_steps": 4.0,
        "guidance_scale": "0",
        "hires_scale": 2,
        "hires_strength": 0.25,
        "width": 32.0,
    }
    request = request_of(**values, clip_skip=2, guidance_rescale=0.5, lossy_cache_interval=3)
    assert (request.num_steps, request.guidance_scale, request.width) == (4, 0, 32)
    assert (request.hires_scale, request.hires_strength) == (2, 0.25)
    assert (request.clip_skip, request.guidance_rescale, request.lossy_cache_interval) == (2, 0.5, 3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"guidance_scale": "much"}, "guidance is 'much'; must be a number, or empty"),
        ({"width": "wide"}, "width is 'wide'; must be a whole number, or empty"),
        ({"num_steps": "many"}, "num_steps is 'many'; must be a whole number"),
        ({"num_steps": 0}, "num_steps is 0; must be from 1 to 1000"),
        ({"prompt": None}, "prompt is None; must be text"),
        ({"hires_scale": 32}, "hires_scale is 32; must be from 1 to 8"),
        ({"image": "/etc/passwd"}, "the page has no setting image; leave it out"),
        ({"num_inference_steps": 2}, "unknown field 'num_inference_steps'; here it is num_steps"),
    ],
)
def test_a_request_that_cannot_be_drawn_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        request_of(**values)
    assert str(refusal.value) == message


def test_an_edit_is_shown_as_it_is_typed_and_read_as_it_is_stored() -> None:
    asked = request_of(
        prompt="a dog", edit_of="a cat", keep="0.7,0.3", blend_words="dog|cat", blend="", scale_words="dog=2"
    )
    assert (asked.keep, asked.blend_words, asked.blend) == ((0.7, 0.3), ("dog", "cat"), (0.3, 0.2))
    stored = asked.to_dict()
    names = ("keep", "blend_words", "blend", "scale_words")
    texts = {name: shown(stored[name]) for name in names}
    assert texts == {
        "keep": "0.7,0.3",
        "blend_words": "dog|cat",
        "blend": "0.3,0.2",
        "scale_words": "dog=2",
    }
    for again in (texts, {name: stored[name] for name in names}):
        assert request_of(prompt="a dog", edit_of="a cat", **again) == asked
    assert shown([]) == "" and shown("a") == "a" and shown(None) is None


def test_the_prompt_of_an_edits_base_is_limited_too() -> None:
    with pytest.raises(UsageError, match="the edit of has"):
        request_of(edit_of="a " * 100_000)
