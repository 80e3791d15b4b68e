"""Masks cover what they name, things stand where the scene says, and a batch depends on its number alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scripts.world.composer import PIXELS, SIZES, arrange
from scripts.world.scene import Scene, Thing
from scripts.world.vocabulary import COLOURS


def centre(mask: torch.Tensor) -> tuple[float, float]:
    """(x, y) of a mask's middle, in pixels."""
    grid = torch.arange(PIXELS) + 0.5
    return (mask.sum(0) @ grid / mask.sum()).item(), (mask.sum(1) @ grid / mask.sum()).item()


def test_a_mask_is_where_the_picture_differs_from_its_ground(world) -> None:
    scene = Scene((Thing("banana", "blue"),), background="white")
    batch = world.compose([scene], np.random.default_rng(0))
    bare = world.atlas.draw(replace(batch.layout, noun=torch.full_like(batch.layout.noun, -1)))
    changed = (batch.pictures.images - bare.images).abs().amax(1)[0] > 0.02
    mask = batch.pictures.masks[0].sum(0)
    assert mask.sum() > 300
    assert changed[mask > 0.5].float().mean() > 0.99
    assert not changed[mask == 0].any()


@pytest.mark.parametrize(
    ("relation", "sign"), [("left", (-1, 0)), ("right", (1, 0)), ("above", (0, -1)), ("below", (0, 1))]
)
def test_things_stand_where_the_relation_says(world, relation: str, sign: tuple[int, int]) -> None:
    scene = Scene((Thing("apple"), Thing("car")), relation, "white")
    for seed in range(20):
        masks = world.compose([scene], np.random.default_rng(seed)).pictures.masks[0]
        (x, y), (other_x, other_y) = centre(masks[0]), centre(masks[1])
        along = sign[0] * (x - other_x) + sign[1] * (y - other_y)
        assert along > 20
        assert (masks[0] * masks[1]).sum() < 1


def test_as_many_things_as_counted_in_the_colour_that_is_named(world) -> None:
    scene = Scene((Thing("star", "green", count=3),), background="black")
    batch = world.compose([scene], np.random.default_rng(1))
    sums = batch.pictures.masks[0].sum((1, 2))
    assert (sums > 50).tolist() == [True, True, True, False]
    inside = batch.pictures.tinted[0].sum(0) > 0.95
    colour = batch.pictures.images[0][:, inside].mean(1)
    assert colour.argmax() == 1
    assert (colour - torch.tensor(COLOURS["green"]) / 255).abs().max() < 0.3


def test_bigger_words_make_bigger_things(world) -> None:
    def side(size: str | None) -> float:
        layout = arrange([Scene((Thing("cat", None, size),))] * 50, np.random.default_rng(2))
        return torch.tensor(SIZES)[layout.size[:, 0]].float().mean().item()

    assert side("small") < side(None) < side("big")


def test_a_batch_is_a_function_of_its_number(world) -> None:
    one, again, other = (world.batch(step, 8) for step in (5, 5, 6))
    assert one.captions == again.captions
    assert torch.equal(one.images, again.images)
    assert one.captions != other.captions
