"""What the edits that are scored ask for, and when one is done."""

from typing import Any

import pytest

from limelight.pipeline import GenerationRequest
from scripts.second.scoring.judge import LOOKS, Found, Seen
from scripts.second.world.nouns import NOUN_INDEX
from scripts.second.world.scene import Scene, Thing
from scripts.steering.edit_cases import KINDS, Case, cases

ASKED = cases(60, 3)


def test_the_kinds_come_in_turn_and_are_the_same_each_time() -> None:
    assert ASKED == cases(60, 3) != cases(60, 4)
    assert [case.kind for case in ASKED[:12]] == 2 * list(KINDS)
    assert len({case.seed for case in ASKED}) == 60
    assert {thing.noun for case in cases(30, 3, 5) for thing in case.scene.things} <= set(
        list(NOUN_INDEX)[:5]
    )


@pytest.mark.parametrize("case", ASKED[:24], ids=lambda case: case.edit)
def test_every_edit_is_a_request(case: Case) -> None:
    asked = GenerationRequest(
        prompt=case.edit, edit_of=case.base, blend_words=case.words, scale_words=case.scales
    )
    assert asked.blend_words == case.words
    assert case.kind == "weight 0" or case.edit != case.base
    assert case.plain != case.base
    assert not set(case.others) & {case.gone, case.noun if case.colour is None else None}


def seen(*nouns: str, look: str = "red", setting: str = "white") -> Seen:
    things = [Found(NOUN_INDEX[noun], LOOKS.index(look), 0, 0, False) for noun in nouns]
    return Seen(things, setting, "day", "3d")


def test_an_edit_is_done_when_the_judge_sees_it() -> None:
    scene = Scene(things=(Thing(noun="cat"),))
    common: dict[str, Any] = {"seed": 0, "scene": scene, "base": "", "edit": "", "plain": ""}
    common |= {"words": (), "others": ()}
    noun = Case(kind="noun", noun="dog", **common)
    assert noun.is_done(seen("cat", "dog")) and not noun.is_done(seen("cat"))
    colour = Case(kind="colour", noun="dog", colour="blue", **common)
    assert colour.is_done(seen("dog", look="blue"))
    assert not colour.is_done(seen("dog")) and not colour.is_done(seen("cat", look="blue"))
    gone = Case(kind="weight 0", gone="dog", **common)
    assert gone.is_done(seen("cat")) and not gone.is_done(seen("dog"))
    place = Case(kind="place", setting="beach", **common)
    assert place.is_done(seen(setting="beach")) and not place.is_done(seen(setting="sea"))
