"""Painted words: their regions, their tokens, and their effect on attention."""

from dataclasses import replace

import pytest
import torch

from scripts.second.training.attention import SIDE, TrainingAttention, painted
from scripts.second.training.grounding import grounding_loss
from scripts.second.training.painting import paint
from scripts.second.world.captions import BACKDROP, NOTHING


@pytest.fixture
def masks() -> torch.Tensor:
    """Thing 0 in the upper left corner, thing 1 in the lower right one, no thing 2."""
    masks = torch.zeros(32, BACKDROP + 1, SIDE, SIDE)
    masks[:, 0, 1:5, 2:6] = 1
    masks[:, 1, 10:14, 9:15] = 1
    masks[:, BACKDROP] = 1 - masks[:, 0] - masks[:, 1]
    return masks


NAMES = torch.tensor([[NOTHING, 0, 0, NOTHING, 1, 2, BACKDROP, NOTHING]]).expand(32, -1)


def test_paint_lies_on_the_thing_and_reaches_its_tokens_alone(tiny, masks) -> None:
    config = replace(tiny.unet.paint, share=1.0, words=1.0)
    bias = paint(config, NAMES, masks, torch.Generator().manual_seed(0))
    low, high = config.strength
    assert bias[..., [0, 3, 5, 6, 7]].abs().max() == 0
    assert torch.equal(bias[..., 1], bias[..., 2])
    for token, number in ((1, 0), (4, 1)):
        found = bias[..., token]
        assert (found.abs() >= low).all() and (found.abs() <= high).all()
        assert (found[masks[:, number] > 0.5] > 0).all()
        assert (found < 0).flatten(1).any(1).all()
        assert (found[masks[:, 1 - number] > 0.5] < 0).all()


def test_a_share_of_the_pictures_is_painted(tiny, masks) -> None:
    many = masks.repeat(32, 1, 1, 1)
    config = replace(tiny.unet.paint, share=0.2, words=1.0)
    bias = paint(config, NAMES.repeat(32, 1), many, torch.Generator().manual_seed(0))
    assert 0.15 < (bias.abs().amax((1, 2, 3)) > 0).float().mean() < 0.25


def test_attention_adds_the_paint_and_keeps_maps(tiny) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, n, 8, generator=generator) for n in (SIDE * SIDE, 5, 5))
    bias = torch.randn(2, SIDE, SIDE, 5, generator=generator)
    attention = TrainingAttention(plan={}, paint=bias)

    class Group:
        def at(self, site):
            return k, v

    found = attention.attend_cross("site", q, (Group(),), scale=0.3, grid=(SIDE, SIDE), out_weight=q)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, attn_mask=bias.flatten(1, 2)[:, None], scale=0.3
    )
    assert (found - wanted).abs().max() < 1e-5
    assert attention.maps[0].shape == (2, SIDE * SIDE, 5)
    assert (attention.maps[0].sum(-1) - 1).abs().max() < 1e-5


def test_coarse_grids_take_means_of_the_paint() -> None:
    bias = torch.zeros(1, SIDE, SIDE, 1)
    bias[:, :2, :2] = 4
    coarse = painted(bias, (8, 8))[0, :, 0].view(8, 8)
    assert coarse[0, 0] == 4
    assert coarse.sum() == 4


def test_grounding_is_zero_where_maps_are_masks_and_falls_towards_them(masks) -> None:
    names, heard = NAMES[:, :6], torch.ones(32)
    truth = masks[torch.arange(32)[:, None], names.clamp(min=0)].flatten(2).transpose(1, 2)
    even = torch.ones_like(truth)
    exact, half, none = (
        grounding_loss(share * truth + (1 - share) * 0.05 * even, names, masks, heard).item()
        for share in (1.0, 0.5, 0.0)
    )
    assert exact == pytest.approx(0, abs=1e-4)
    assert 0 < half < none
    assert grounding_loss(even, names, masks, torch.zeros(32)).item() == 0
