"""Handlers answer any input, a bad one with a refusal."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions import handlers
from limelight.app.ui.form.settings import Settings
from limelight.app.ui.studio.studio import BUG, Studio
from limelight.pipeline import TextToImagePipeline
from tests.app.ui.in_time import run


def messages_of(stream: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    async def collect() -> list[dict[str, Any]]:
        return [message async for message in stream]

    return run(collect())


@pytest.fixture(scope="module")
def studio() -> Any:
    made = Studio({"default": TextToImagePipeline.from_pretrained("default", device="cpu")}, Limits())
    yield made
    made.close()


@pytest.mark.parametrize(
    "event",
    [
        None,
        5,
        [],
        {},
        {"settings": 5},
        {"settings": {"prompt": []}},
        {"data": 7},
        {"width": "a"},
        {"seed": {}},
    ],
)
def test_every_handler_answers_any_input(studio: Studio, event: Any) -> None:
    visitor = Visitor(session="s", address="127.0.0.1")
    for change in (
        handlers.restore(event, studio),
        handlers.recall(event, studio),
        handlers.fit(event, studio, event),
        handlers.choose(studio, [event]),
        handlers.expand(studio, visitor, Settings(prompt=event)),
    ):
        assert change.kind == "error" and change.text not in ("", BUG)
    (message,) = messages_of(handlers.again(studio, visitor, event))
    assert message["is_over"] and message["error"] not in ("", BUG)
    (message,) = messages_of(handlers.draw(studio, visitor, Settings(prompt=event)))
    assert message["is_over"] and message["error"] not in ("", BUG)


@pytest.mark.parametrize(
    "change", [{"span": 5}, {"span": [1]}, {"span": [0, 1]}, {"span": [0, 1], "weight": {}}]
)
def test_a_word_that_is_weighed_wrongly_is_refused(studio: Studio, change: dict[str, Any]) -> None:
    event = {"settings": {"prompt": "a cat"}, "model": "default", **change}
    (message,) = messages_of(handlers.again(studio, Visitor(session="s", address="127.0.0.1"), event))
    assert message["error"] == "a word's span is two whole numbers, and its weight a number"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "The settings of that picture are back."),
        (
            {"timesteps": [999, 24], "eta": 0.5, "guidance_end": 0.8},
            "The settings of that picture are back. The page cannot set guidance_end, timesteps, eta, so it "
            "draws another picture; `limelight replay` can.",
        ),
    ],
)
def test_restoring_names_the_settings_without_a_control(
    studio: Studio, fields: dict[str, Any], said: str
) -> None:
    change = handlers.recall({"settings": {"prompt": "a cat", **fields}}, studio)
    assert (change.text, change.kind) == (said, "")


STORED: dict[str, Any] = {"prompt": "a cat", "seed": "1", "num_steps": 1, "width": 16, "height": 16}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"span": [2, 5], "word": " "}, "no word is given for 'cat'; type one"),
        ({"span": [2, 9], "word": "dog"}, "the word is at 2 to 9; the prompt has 5 characters"),
        ({"span": "x", "word": "dog"}, "a word's span is two whole numbers"),
        ({"span": [2, 5], "word": {}}, "a word's span is two whole numbers, and its weight a number"),
    ],
)
def test_a_word_that_cannot_be_put_is_refused(studio: Studio, event: dict[str, Any], message: str) -> None:
    visitor = Visitor(session="s", address="127.0.0.1")
    (answer,) = messages_of(handlers.again(studio, visitor, {"settings": STORED, "keeps": True} | event))
    assert message in answer["error"]
