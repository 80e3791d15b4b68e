"""How steering is measured: where a map is largest, and the wished places."""

import numpy as np
import pytest
import torch

from limelight.pipeline import GenerationRequest
from scripts.evaluate_steering import WAYS, in_places
from scripts.second.world.nouns import CORE
from scripts.steering.wishes import GRID, PLACES, QUARTERS, blobs, covers, wishes


def test_a_word_is_found_where_its_map_is_largest() -> None:
    maps = torch.zeros(2, 16, 16)
    maps[0, 3, 12] = maps[1, 3, 12] = 1
    assert in_places(maps, (QUARTERS[1], QUARTERS[3])) == [True, False]


def test_wishes_are_two_things_in_two_quarters_and_the_same_each_time() -> None:
    asked = wishes(30, 7, CORE)
    assert asked == wishes(30, 7, CORE) != wishes(30, 8, CORE)
    assert all(len(set(wish.nouns)) == len(set(wish.places)) == 2 for wish in asked)
    assert {place for wish in asked for place in wish.places} == set(QUARTERS)


def test_blobs_do_not_meet_and_cover_their_middles() -> None:
    for masks in (blobs(np.random.default_rng(seed), 3) for seed in range(8)):
        parts = [np.frombuffer(mask.levels, np.uint8).reshape(GRID, GRID) > 0 for mask in masks]
        assert sum(part.astype(int) for part in parts).max() == 1
        for mask, part in zip(masks, parts, strict=True):
            assert 0.05 < part.mean() < 0.2
            row, column = np.argwhere(part).mean(0)
            assert covers(mask, (column + 0.5) / GRID, (row + 0.5) / GRID)
            assert not covers(mask, 0.01, 0.01)


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("things", (1, 2, 3))
def test_every_way_is_a_request(places: str, things: int) -> None:
    (wish,) = wishes(1, 0, CORE, things=things, places=places, grounds=True)
    assert wish.prompt.endswith(" background") and all(word in wish.prompt for word in wish.words)
    for name, way in WAYS.items():
        fields = way(wish, strength=5.0, until=1.0) if "loose" in name else way(wish)
        request = GenerationRequest(prompt=wish.prompt, **fields)
        assert [each.word for each in request.paint] == (
            wish.words if "loose" in name or "firm" in name else []
        )
        assert len(request.regions) == (things if "regions" in name else 0)
