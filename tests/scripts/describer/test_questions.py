"""Captions, questions and answers of views: what they say is true of the view."""

import numpy as np
import pytest

from limelight.pipeline.describer.network import ReaderConfig
from limelight.pipeline.describer.questions import read
from limelight.pipeline.describer.vocabulary import joined
from scripts.describer import questions
from scripts.describer.captions import Spoken, caption
from scripts.describer.data import words_of_the_world
from scripts.describer.said import atoms, said_in
from scripts.describer.view import SeenThing, View, views
from scripts.world.composer import arrange
from scripts.world.scene import Mixture, Scene, Thing, sample_scene

APPLE = SeenThing("apple", "red", "small", (0,), 0.25, 0.47)
CAR = SeenThing("car", "blue", None, (1,), 0.75, 0.53)
STARS = SeenThing("star", "yellow", None, (0, 1, 2), 0.5, 0.25)
UNNAMED = SeenThing(None, "green", None, (1,), 0.75, 0.53)
WORDS = words_of_the_world()
PAIR = View((APPLE, CAR), "left", "white")


def text(spoken: Spoken) -> str:
    return joined([word for word, _ in spoken])


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (PAIR, "a small red apple to the left of a blue car on a white background"),
        (
            View((APPLE, CAR), "above", "orange", style="flat"),
            "a small red apple above a blue car on an orange background, flat style",
        ),
        (
            View((STARS,), None, "teal"),
            "three yellow stars on a teal background",
        ),
        (
            View((APPLE, UNNAMED), "left", "white"),
            "a small red apple to the left of something green on a white background",
        ),
        (View((), None, "black"), "nothing on a black background"),
    ],
)
def test_the_caption_of_a_view(view: View, expected: str) -> None:
    spoken = caption(view, WORDS)
    assert text(spoken) == expected
    regions = dict(spoken)
    if view.things == PAIR.things:
        assert (regions["apple"], regions["car"], regions[view.ground]) == ((0,), (1,), "ground")
        assert regions[view.relation or ""] == (0, 1)


@pytest.mark.parametrize("view", [PAIR, View((STARS,), None, "teal")])
@pytest.mark.parametrize("kind", [kind for _, kind in questions.KINDS], ids=lambda kind: kind.__name__)
def test_questions_are_typed_as_they_are_trained(kind, view: View) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    for _ in range(30):
        question, answer = kind(view, rng, WORDS)
        typed = text(question) + "?"
        assert " ".join(token.word for token in read(typed, WORDS).tokens) == text(question)
        assert len(question) + len(answer) + 4 < ReaderConfig(num_words=1).length
        WORDS.ids([word for word, _ in [*question, *answer]])


def test_answers_are_true() -> None:
    rng = np.random.default_rng(1)
    said = {
        text(q): text(a) for q, a in (questions.ask(PAIR, rng, WORDS, questions.KINDS) for _ in range(3000))
    }
    assert said["is there a red apple"] == "yes" and said["is there a blue car"] == "yes"
    assert said["what is left of the car"] == "a small red apple"
    assert (
        said["what is left of the apple"] == "nothing" and said["what is next to the apple"] == "a blue car"
    )
    assert said["how many things"] == "two" and said["how many apples"] == "one"
    assert said["what colour is the background"] == "white"
    assert said["where is the apple"] == "on the left"
    assert said["is the car right of the apple"] == "yes" and said["is the car left of the apple"] == "no"
    assert said["what is blue"] == "the car" and said["what is there"] == "a small red apple and a blue car"
    absent = [
        answer
        for question, answer in said.items()
        if question.startswith("is there") and "blue a" in question
    ]
    assert all(answer == "no" for answer in absent)


def test_views_follow_the_layout() -> None:
    rng = np.random.default_rng(2)
    mixture = Mixture(background_named=1.0)
    scenes = [sample_scene(rng, mixture) for _ in range(200)]
    layout = arrange(scenes, rng)
    for scene, view in zip(scenes, views(scenes, layout, np.zeros(layout.noun.shape, bool)), strict=True):
        assert sorted(thing.noun or "" for thing in view.things) == sorted(
            thing.noun for thing in scene.things
        )
        if scene.relation in ("left", "above"):
            assert [thing.noun for thing in view.things] == [thing.noun for thing in scene.things]
        if scene.relation in ("right", "below"):
            assert [thing.noun for thing in view.things] == [thing.noun for thing in scene.things][::-1]
        if scene.relation in ("left", "right", "above", "below"):
            assert view.relation == ("above" if scene.relation in ("above", "below") else "left")


def test_art_that_has_a_colour_of_its_own_is_called_by_it() -> None:
    rng = np.random.default_rng(3)
    scenes = [Scene((Thing("ghost"),), None, "red"), Scene((Thing("ghost", "blue"),), None, "red")]
    layout = arrange(scenes, rng)
    named = views(scenes, layout, np.zeros(layout.noun.shape, bool))
    hidden = views(scenes, layout, np.ones(layout.noun.shape, bool))
    assert [view.things[0].colour for view in named] == ["white", "blue"]
    assert [(view.things[0].noun, view.things[0].colour) for view in hidden] == [(None, None), (None, "blue")]


def test_scores_see_each_wrong_atom() -> None:
    true = text(caption(PAIR, WORDS)).split()
    assert all(right for _, right in atoms(PAIR, true, WORDS))
    for old, new, kind in (
        ("apple", "pear", "thing"),
        ("blue", "green", "colour"),
        ("small", "big", "size"),
        ("white", "teal", "place"),
    ):
        wrong = [new if word == old else word for word in true]
        assert [name for name, right in atoms(PAIR, wrong, WORDS) if not right] == [kind]
    above = "a small red apple above a blue car on a white background".split()
    assert [name for name, right in atoms(PAIR, above, WORDS) if not right] == ["relation"]
    said = said_in("nothing on a black background".split(), WORDS)
    assert (said.things, said.relation, said.ground, said.style) == ((), None, "black", None)
