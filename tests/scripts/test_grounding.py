"""Words have the mask of what they name, and no other."""

from pathlib import Path

import numpy as np
import pytest
import torch

from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.grounding import GROUND, NOTHING, SIDE, Maps, masks, named
from scripts.training.scoring.scores import plain
from scripts.training.text import TextSide
from scripts.world.scene import Scene, Thing

RED = Scene((Thing("pineapple", "red"), Thing("car", "red")), "left", "red")
COUNT = Scene((Thing("star", "blue", count=3),), None, "white")
BARE = Scene((Thing("cat"),), None, None)


@pytest.fixture(scope="module")
def text(first_edition: Path) -> TextSide:
    return TextSide(SHIPPED, first_edition / "tokenizer")


def test_nouns_colours_and_grounds_have_their_own_masks(world: World, text: TextSide) -> None:
    batch = world.compose([RED, COUNT, BARE], np.random.default_rng(0))
    ids = text.ids([plain(RED), "three blue stars on a white background", plain(BARE)])
    asked = []
    for row, answers in zip(ids.tolist(), named(batch, text, ids).tolist(), strict=True):
        words = text.tokenizer.convert_ids_to_tokens(row)
        asked.append([(w, answer) for w, answer in zip(words, answers, strict=True) if answer != NOTHING])
    assert asked[0] == [
        ("red</w>", 0),
        ("pineapple</w>", 0),
        ("red</w>", 1),
        ("car</w>", 1),
        ("red</w>", GROUND),
    ]
    assert asked[1] == [("blue</w>", 0), ("stars</w>", 0), ("white</w>", GROUND)]
    assert asked[2] == [("cat</w>", 0)]


def test_masks_share_out_every_position(world: World) -> None:
    shares = masks(world.compose([RED, COUNT, BARE], np.random.default_rng(0)))
    assert torch.allclose(shares.sum(1), torch.ones(3, SIDE, SIDE), atol=1e-5)
    left, right = shares[0, 0], shares[0, 1]
    assert left[:, : SIDE // 2].sum() > 20 and left[:, SIDE // 2 :].sum() == 0
    assert right[:, SIDE // 2 :].sum() > 20 and right[:, : SIDE // 2].sum() == 0
    assert (shares[1:, 1] == 0).all()  # one noun phrase: there is no second


def heard(logits: torch.Tensor) -> Maps:
    """The maps of a site with one head whose attention logits are these (n m)."""
    maps = Maps()
    weight = torch.eye(logits.shape[1])
    maps.record(
        "site",
        logits[None, None],
        weight[None, None],
        weight,
        scale=1.0,
        grid=(SIDE, SIDE),
        out_weight=weight,
    )
    return maps


def test_a_map_that_is_the_mask_costs_nothing_and_gradients_flow() -> None:
    truth = torch.zeros(1, 3, SIDE, SIDE)
    truth[0, 0, :, : SIDE // 2] = 1
    truth[0, GROUND] = 1 - truth[0, 0]
    inside = truth[0, 0].flatten()
    right = torch.stack([inside, 1 - inside], 1) * 30
    answers = torch.tensor([[0, GROUND]])
    assert heard(right).loss(answers, truth).item() == pytest.approx(0, abs=1e-4)
    assert heard(right.flip(1)).loss(answers, truth).item() > 5
    even = torch.zeros_like(right, requires_grad=True)
    loss = heard(even).loss(answers, truth)
    assert loss.item() == pytest.approx(np.log(2), rel=1e-4)  # twice the area of the mask
    loss.backward()
    assert (
        even.grad is not None
        and (even.grad[inside > 0, 0] < 0).all()
        and (even.grad[inside == 0, 0] > 0).all()
    )


def test_words_that_name_nothing_add_no_loss() -> None:
    truth = torch.ones(1, 3, SIDE, SIDE)
    silent = heard(torch.randn(SIDE * SIDE, 2)).loss(torch.tensor([[NOTHING, NOTHING]]), truth)
    assert silent.item() == 0
