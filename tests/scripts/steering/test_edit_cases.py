"""What the edits that are scored ask for, and when one is done."""

import pytest

from limelight.pipeline import GenerationRequest
from scripts.steering.edit_cases import KINDS, Case, cases
from scripts.training.scoring.judge import Found
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, NOUN_INDEX

ASKED = cases(50, 3)


def test_the_kinds_come_in_turn_and_are_the_same_each_time() -> None:
    assert ASKED == cases(50, 3) != cases(50, 4)
    assert [case.kind for case in ASKED[:10]] == 2 * list(KINDS)
    assert len({case.seed for case in ASKED}) == 50


@pytest.mark.parametrize("case", ASKED[:20], ids=lambda case: case.edit)
def test_every_edit_is_a_request(case: Case) -> None:
    asked = GenerationRequest(
        prompt=case.edit, edit_of=case.base, blend_words=case.words, scale_words=case.scales
    )
    assert asked.blend_words == case.words
    assert case.kind == "weight 0" or case.edit != case.base
    assert case.plain != case.base
    assert not set(case.others) & {case.gone, case.noun if case.colour is None else None}


def found(noun: str, colour: str = "red") -> Found:
    return Found(NOUN_INDEX[noun], tuple(COLOURS).index(colour), 0, 0)


def test_an_edit_is_done_when_the_judge_sees_it() -> None:
    grounds = tuple(BACKGROUNDS)
    common = {"seed": 0, "base": "", "edit": "", "plain": "", "words": (), "others": ()}
    noun = Case(kind="noun", noun="dog", **common)  # type: ignore[arg-type]
    assert noun.is_done([found("cat"), found("dog")], 0) and not noun.is_done([found("cat")], 0)
    colour = Case(kind="colour", noun="dog", colour="blue", **common)  # type: ignore[arg-type]
    assert colour.is_done([found("dog", "blue")], 0)
    assert not colour.is_done([found("dog"), found("cat", "blue")], 0)
    gone = Case(kind="weight 0", gone="dog", **common)  # type: ignore[arg-type]
    assert gone.is_done([found("cat")], 0) and not gone.is_done([found("dog")], 0)
    ground = Case(kind="ground", ground=grounds[2], **common)  # type: ignore[arg-type]
    assert ground.is_done([], 2) and not ground.is_done([], 1)
