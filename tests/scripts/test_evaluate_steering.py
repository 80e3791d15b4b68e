"""How steering is measured: where a map is largest, and the wished quarters."""

import torch

from scripts.evaluate_steering import QUARTERS, WAYS, in_boxes, wishes


def test_a_word_is_found_where_its_map_is_largest() -> None:
    maps = torch.zeros(2, 16, 16)
    maps[0, 3, 12] = maps[1, 3, 12] = 1
    assert in_boxes(maps, (QUARTERS[1], QUARTERS[3])) == [True, False]


def test_wishes_are_two_things_in_two_quarters_and_the_same_each_time() -> None:
    asked = wishes(30, 7)
    assert asked == wishes(30, 7) != wishes(30, 8)
    assert all(len(set(wish.nouns)) == len(set(wish.boxes)) == 2 for wish in asked)
    assert {box for wish in asked for box in wish.boxes} == set(QUARTERS)


def test_every_way_is_a_request() -> None:
    (wish,) = wishes(1, 0)
    fields = {name: way(wish, strength=5.0, until=1.0) for name, way in WAYS.items() if "loose" in name}
    assert [painted.word for painted in fields["loose"]["paint"]] == wish.words
    assert {painted.strength for painted in fields["loose"]["paint"]} == {5.0}
    assert len(fields["loose and regions"]["regions"]) == 2
