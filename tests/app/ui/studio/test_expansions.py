"""Prompts that are made longer on the page, seen before they are drawn, and recorded."""

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions import handlers
from limelight.app.ui.form.settings import Settings
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline import GenerationRequest


def test_the_prompt_and_its_seed_come_back_to_the_page(studio: Studio) -> None:
    change = handlers.expand(studio, Visitor("ann"), Settings(prompt="apple", seed="3"))
    assert change.kind == ""
    assert change.settings["seed"] == "3"
    prompt = change.settings["prompt"]
    assert prompt.startswith("apple ")
    assert change.text == f"Added: {prompt.removeprefix('apple').strip(' ,')}"
    (noted,) = studio.expansions.recorded(Visitor("ann"), [GenerationRequest(prompt=prompt)])
    assert noted.expansion is not None
    assert (noted.expansion.typed, noted.expansion.seed) == ("apple", 3)
    (edited,) = studio.expansions.recorded(Visitor("ann"), [GenerationRequest(prompt=f"{prompt} now")])
    assert edited.expansion is None
    (of_another,) = studio.expansions.recorded(Visitor("bob"), [GenerationRequest(prompt=prompt)])
    assert of_another.expansion is None
    studio.leave(Visitor("ann"))
    assert studio.expansions.recorded(Visitor("ann"), [GenerationRequest(prompt=prompt)])[0].expansion is None


def test_a_prompt_that_cannot_be_drawn_is_not_expanded(studio: Studio) -> None:
    change = handlers.expand(studio, Visitor("ann"), Settings(prompt="x" * 10_000))
    assert change.kind == "error"
    assert change.settings == {}
