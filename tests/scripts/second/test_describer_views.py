"""Captions and answers about composed scenes of the second world say only what can be seen."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
import torch

from limelight.pipeline.describer.network import GRID, ReaderConfig
from limelight.pipeline.describer.questions import read
from limelight.pipeline.describer.vocabulary import joined
from limelight.pipeline.reading.described_check import atoms_of
from scripts.describer.captions import Spoken, caption
from scripts.describer.said import atoms, said_in
from scripts.describer.sides import askable
from scripts.describer.texts import TEXTS, Shown, texts_of
from scripts.describer.view import SeenThing, View
from scripts.second.describer.drawn import agreement
from scripts.second.describer.questions import KINDS
from scripts.second.describer.view import seen_style, view_of, without_things
from scripts.second.describer.words import COMMON, own_colour, words_of_the_world
from scripts.second.scoring.judge import LOOKS, Found, Seen
from scripts.second.training.data import World
from scripts.second.world.nouns import NOUN_INDEX, NOUNS
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.vocabulary import STYLES

pytestmark = pytest.mark.long

WORDS = words_of_the_world()
EVERYTHING = Mixture(
    material=0.2, posed=0.3, sized=0.3, three=0.2, worn=0.2, weather=0.3, sunset=0.2, night=0.2,
    styles=tuple((style, 0.1) for style in STYLES[1:]),
)  # fmt: skip
TURNED = {(noun.word, pose) for noun in NOUNS[:COMMON] for pose in ("sleeping", "upside down")}
APPLE, CAR = (SeenThing(*thing) for thing in (
    ("apple", "red", None, (0,), 0.3, 0.6), ("car", "blue", None, (1,), 0.7, 0.6)
))  # fmt: skip
CAT = replace(APPLE, noun="cat")
HAT = SeenThing("hat", "red", None, (1,), 0.3, 0.4)
KEY = SeenThing("key", None, None, (0,), 0.5, 0.5, material="golden")
PENGUINS = SeenThing("penguin", None, None, (0, 1, 2), 0.2, 0.7)
STAR = SeenThing("star", "yellow", None, (2,), 0.9, 0.6)
NIGHT = View((APPLE, CAR), "left", None, "beach", "night")


def text(spoken: Spoken) -> str:
    return joined([word for word, _ in spoken])


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (NIGHT, "a red apple to the left of a blue car on a beach at night"),
        (View((PENGUINS,), None, None, "snow", "day"), "three penguins in the snow"),
        (View((KEY,), None, "purple"), "a golden key on a purple background"),
        (
            View((replace(APPLE, pose="upside down"), CAR), "front", None, "forest", "sunset", style="flat"),
            "an upside down red apple in front of a blue car in a forest at sunset, flat style",
        ),
        (
            View((replace(APPLE, noun=None, colour="orange"),), None, None, "beach", "day", "rain"),
            "something orange on a beach in the rain",
        ),
        (
            View((CAT, replace(HAT, noun="sunglasses", colour="black")), "wearing", "teal"),
            "a red cat wearing black sunglasses on a teal background",
        ),
        (
            View((replace(APPLE, noun="unicorn", colour=None), CAR, STAR), "between", None, "moon"),
            "a unicorn between a blue car and a yellow star on the moon",
        ),
        (
            View((APPLE, CAR, STAR), None, None, None, style="sketch"),
            "a red apple, a blue car and a yellow star on a plain background, sketch",
        ),
        (without_things(NIGHT), "nothing on a beach at night"),
    ],
)  # fmt: skip
def test_the_caption_of_a_view_is_read_back(view: View, expected: str) -> None:
    spoken = caption(view, WORDS)
    assert text(spoken) == expected
    said = [word for word, _ in spoken]
    WORDS.ids(said)
    assert all(right for _, right in atoms(view, said, WORDS))
    regions = [region for word, region in spoken if word in ("night", "rain", "sunset", "flat", "sketch")]
    assert regions == [None] * len(regions)
    assert view.place is None or dict(spoken)[view.place] == "ground"


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("apple", "pear", "thing"),
        ("blue", "golden", "colour"),
        ("beach", "stage", "place"),
        ("night", "sunset", "time"),
        ("left", "right", "relation"),
    ],
)
def test_scores_see_a_wrong_atom(old: str, new: str, kind: str) -> None:
    said = [word for word, _ in caption(NIGHT, WORDS)]
    wrong = [new if word == old else word for word in said]
    if kind == "relation":
        wrong = text(caption(replace(NIGHT, relation="above"), WORDS)).split()
    assert {name for name, right in atoms(NIGHT, wrong, WORDS) if not right} == {kind}


def test_words_that_make_no_sense_are_read_too() -> None:
    said = said_in("background on and of orange , orange above a".split(), WORDS)
    assert said.ground is None and said.place is None
    assert said_in([], WORDS).things == ()


def test_a_golden_thing_is_of_gold_and_has_no_colour() -> None:
    assert said_in("a golden key on a beach".split(), WORDS).things[0].look == "golden"
    assert own_colour("apple") == "red" and own_colour("elephant") == "gray" and own_colour("bee") is None


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("left", ("left", "apple")),
        ("right", ("left", "car")),
        ("above", ("above", "apple")),
        ("below", ("above", "car")),
        ("front", ("front", "apple")),
        ("behind", ("front", "car")),
        ("on", ("on", "apple")),
    ],
)
def test_relations_are_those_that_can_be_seen(world: World, relation: str, expected: tuple[str, str]) -> None:
    scene = Scene(things=(Thing(noun="apple"), Thing(noun="car")), relation=relation, place="meadow")
    for seed in range(4):
        view = view_of(world.compose([scene], Random(seed)), 0, TURNED)
        assert (view.relation, view.things[0].noun) == expected
        black = view_of(world.compose([replace(scene, style="silhouette")], Random(seed)), 0, TURNED)
        assert black.relation in ("left", "above") and not black.is_coloured


def test_one_between_two_others_is_named_first(world: World) -> None:
    things = tuple(Thing(noun=noun) for noun in ("apple", "car", "cat"))
    view = view_of(world.compose([Scene(things=things, relation="between")], Random(0)), 0, TURNED)
    assert (view.relation, view.things[0].noun) == ("between", "apple")
    assert view.things[1].x < view.things[0].x < view.things[2].x


def test_what_cannot_be_seen_is_not_said(world: World) -> None:
    def seen(turned: set[tuple[str, str]], **scene: object) -> View:
        made = Scene(**({"things": (Thing(noun="apple"),)} | scene))  # type: ignore[arg-type]
        return view_of(world.compose([made], Random(3)), 0, turned)

    sleeping = (Thing(noun="apple", pose="sleeping"),)
    assert seen(TURNED, things=sleeping).things[0].pose == "sleeping"
    assert seen(set(), things=sleeping).things[0].pose is None
    assert seen(TURNED, things=(Thing(noun="bee", pose="flying"),)).things[0].pose is None
    assert seen(TURNED, things=(Thing(noun="cat", pose="jumping"),)).things[0].pose == "jumping"
    assert seen(TURNED, place="room", time="day").time is None
    assert seen(TURNED, place="beach", time="night").time == "night"
    assert seen(TURNED, place="beach", style="sketch", weather="rain").weather is None
    assert seen(TURNED, ground="red", style="sketch").ground is None
    assert seen(TURNED, style="sketch").things[0].colour is None
    assert seen_style(Scene(things=sleeping, style="silhouette", time="night")).style == "3d"


def test_questions_are_typed_as_they_are_trained_and_fit(world: World) -> None:
    rng, random = np.random.default_rng(0), Random(0)
    views = [NIGHT, View((KEY,), None, "purple"), View((PENGUINS,), None, None, "snow", "day", "snow")]
    batch = world.compose([seen_style(sample_scene(random, EVERYTHING)) for _ in range(12)], random)
    views += [view_of(batch, row, TURNED) for row in range(12)]
    for view in views:
        said = [word for word, _ in caption(view, WORDS)]
        assert len(said) + 2 < ReaderConfig(num_words=1).length
        assert all(right for _, right in atoms(view, said, WORDS))
        for _, kind in KINDS:
            question, answer = kind(view, rng, WORDS)
            assert " ".join(token.word for token in read(text(question) + "?", WORDS).tokens) == text(
                question
            )
            assert len(question) + len(answer) + 4 < ReaderConfig(num_words=1).length
            WORDS.ids([word for word, _ in [*question, *answer]])


def answers(view: View) -> dict[str, set[str]]:
    rng, said = np.random.default_rng(1), dict[str, set[str]]()
    for _ in range(250):
        for _, kind in KINDS:
            question, answer = kind(view, rng, WORDS)
            said.setdefault(text(question), set()).add(text(answer))
    return said


def test_answers_are_true() -> None:
    said = answers(NIGHT)
    assert all(len(found) == 1 for found in said.values())
    one = {question: found.pop() for question, found in said.items()}
    assert one["where is this"] == "on a beach"
    assert one["is it on a beach"] == "yes" and one["is it on the moon"] == "no"
    assert one["what time is it"] == "night" and one["is it night"] == "yes" and one["is it day"] == "no"
    assert one["what is the weather"] == "dry" and one["is it raining"] == "no"
    assert one["what is the apple made of"] == "no special material"
    assert one["what is the apple wearing"] == "nothing"
    assert one["what is left of the car"] == "a red apple"
    assert one["is the car in front of the apple"] == "no"
    indoors = answers(View((KEY,), None, None, "room"))
    assert indoors["what is the key made of"] == {"gold"} and indoors["is the key golden"] == {"yes"}
    assert indoors["what time is it"] == {"it does not show"} == indoors["what is the weather"]
    front = answers(View((APPLE, CAR), "front", "teal"))
    assert front["where is the car"] == {"behind the apple"}
    assert front["what is behind the apple"] == {"a blue car"}
    assert front["where is this"] == {"on a teal background"}
    worn = answers(View((APPLE, HAT), "wearing", "teal"))
    assert worn["what is the apple wearing"] == {"a red hat"} and worn["where is the hat"] == {"on the apple"}
    between = answers(View((APPLE, CAR, STAR), "between", "teal"))
    assert between["what is left of the star"] == {"a red apple"}
    assert between["where is the apple"] == {"between the car and the star"}


def test_describer_and_judge_agree_on_what_both_see() -> None:
    wanted = Scene(things=(Thing(noun="apple", colour="red"), Thing(noun="car")), place="beach", time="night")
    text = [word for word, _ in caption(NIGHT, WORDS)]
    found = [
        Found(NOUN_INDEX["apple"], LOOKS.index("blue"), 30.0, 60.0, False),
        Found(NOUN_INDEX["car"], LOOKS.index("red"), 90.0, 60.0, False),
    ]
    marks = agreement([wanted], [text], [Seen(found, "beach", "night", "flat")], WORDS)
    assert marks["things: describer and judge agree"] == [True]
    assert marks["place or ground: they agree"] == marks["time: they agree"] == [True]
    assert marks["style: they agree"] == [False]
    assert marks["colours and materials of things that both name: they agree"] == [False]


def test_a_prompt_of_this_world_is_checked_by_questions() -> None:
    prompt = "an orange fox in front of five golden keys on the moon at night"
    asked = [
        (each.group, " ".join(token.word for token in each.question.tokens), each.answer)
        for each in atoms_of(prompt, WORDS)
    ]
    assert asked == [
        ("colours", "is there an orange fox", "yes"),
        ("things", "is there a fox", "yes"),
        ("relations", "is the fox in front of the key", "yes"),
        ("counts", "how many keys", "five"),
        ("colours", "is there a golden key", "yes"),
        ("things", "is there a key", "yes"),
        ("places", "is it on the moon", "yes"),
        ("places", "is it night", "yes"),
    ]


def test_sides_that_are_not_plain_are_not_asked_for() -> None:
    assert askable(replace(NIGHT, is_sure=False), WORDS) == ()
    assert askable(replace(NIGHT, relation="wearing"), WORDS) == ()
    assert set(askable(replace(NIGHT, relation="front"), WORDS)) == {"front", "behind"}


def test_a_word_looks_at_what_it_names(world: World) -> None:
    scenes = [Scene(things=(Thing(noun="apple"), Thing(noun="car")), relation="left", place="beach")] * 2
    batch = world.compose(scenes, Random(0))
    views = [view_of(batch, row, TURNED) for row in range(2)]
    shown = Shown(views, batch.images, batch.pictures.things)
    texts = texts_of(shown, WORDS, KINDS, np.random.default_rng(0))
    torch.testing.assert_close(texts.regions.sum(1), torch.ones(len(texts.regions)), atol=1e-3, rtol=0)
    length, found = texts.ids.shape[1], {}
    for flat, region in zip(texts.looking.tolist(), texts.regions, strict=True):
        row, at = divmod(flat, length)
        if row % TEXTS == 0:
            found[views[row // TEXTS], WORDS.tokens[int(texts.ids[row, at])]] = region.unflatten(
                0, (GRID, GRID)
            )
    for view in views:
        for thing in view.things:
            assert found[view, thing.noun or ""][int(thing.y * GRID), int(thing.x * GRID)] > 0
            assert found[view, "beach"][int(thing.y * GRID), int(thing.x * GRID)] < 0.002
