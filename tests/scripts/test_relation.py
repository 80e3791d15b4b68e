"""Only tokens that can know the relation are trained on it, and margins measure the use of captions."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scripts.training.config import SHIPPED
from scripts.training.data import Sketch
from scripts.training.relation import UNSAID, relation_head, relation_loss, relation_targets
from scripts.training.scoring.margins import moved, recoloured
from scripts.training.scoring.scores import plain
from scripts.training.text import TextSide
from scripts.world.scene import Scene, Thing
from scripts.world.vocabulary import RELATIONS

PAIR = Scene((Thing("cat", "red"), Thing("dog", "blue")), "left", "white")


@pytest.fixture(scope="module")
def text(first_edition: Path) -> TextSide:
    return TextSide(SHIPPED, first_edition / "tokenizer")


def test_only_tokens_from_the_second_noun_on_have_a_target(text: TextSide) -> None:
    scenes = [PAIR, replace(PAIR, relation=None), Scene((Thing("cat", count=2),), None, "red")]
    captions = [plain(scene) for scene in scenes]
    ids = text.ids(captions)
    answers = relation_targets(Sketch(scenes, captions, layout=None), text, ids)
    pieces = text.tokenizer.convert_ids_to_tokens(ids[0].tolist())
    second = pieces.index("dog</w>")
    assert (answers[0, :second] == UNSAID).all()
    assert (answers[0, second:] == RELATIONS.index("left")).all()
    assert (answers[1:] == UNSAID).all()


def test_the_loss_is_of_those_tokens_alone() -> None:
    torch.manual_seed(0)
    head, context = relation_head(8), torch.randn(2, 3, 8)
    answers = torch.tensor([[UNSAID, 1, 1], [UNSAID] * 3])
    expected = torch.nn.functional.cross_entropy(head(context[0, 1:]), torch.tensor([1, 1]))
    assert relation_loss(head, context, answers).item() == pytest.approx(expected.item(), rel=1e-5)
    assert relation_loss(head, context, torch.full_like(answers, UNSAID)).item() == 0


def test_swapped_captions_name_the_same_things() -> None:
    assert plain(PAIR) == "a red cat to the left of a blue dog on a white background"
    assert plain(moved(PAIR)) == "a red cat to the right of a blue dog on a white background"
    assert plain(recoloured(PAIR)) == "a blue cat to the left of a red dog on a white background"
    assert moved(moved(PAIR)) == recoloured(recoloured(PAIR)) == PAIR
