from dataclasses import dataclass

import pytest

from limelight.app.ui.studio.fair_queue import FairQueue, QueueFull


@dataclass(eq=False)
class Item:
    visitor: str
    name: str


def _filled(*names: str) -> tuple[FairQueue[Item], dict[str, Item]]:
    queue: FairQueue[Item] = FairQueue(10, 5)
    items = {name: Item(name[0], name) for name in names}
    for item in items.values():
        queue.add(item)
    return queue, items


def _order(queue: FairQueue[Item]) -> list[str]:
    taken = []
    while (item := queue.take(lambda visitor: True)) is not None:
        taken.append(item.name)
    return taken


def test_visitors_take_turns_whoever_came_first():
    queue, _ = _filled("a1", "a2", "a3", "b1", "c1", "b2")
    assert _order(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_positions_are_the_order_in_which_they_are_taken():
    queue, items = _filled("a1", "a2", "a3", "b1", "c1", "b2")
    places = {name: queue.position(item) for name, item in items.items()}
    assert [name for name, _ in sorted(places.items(), key=lambda pair: pair[1])] == _order(queue)
    assert queue.position(items["a1"]) is None


def test_who_may_not_begin_is_passed_over():
    queue, _ = _filled("a1", "a2", "b1")
    assert queue.take(lambda visitor: visitor != "a").name == "b1"
    assert queue.take(lambda visitor: visitor != "a") is None
    assert len(queue) == 2


def test_one_visitor_cannot_fill_it():
    queue, _ = _filled("a1", "a2", "a3", "a4")
    with pytest.raises(QueueFull, match=r"4 of your pictures wait, and 2 more were asked for; at most 5"):
        queue.check_room("a", 2)
    queue.check_room("b", 5)


def test_it_is_bounded():
    queue, _ = _filled(*[f"{visitor}{i}" for visitor in "ab" for i in range(5)])
    with pytest.raises(QueueFull, match=r"10 pictures wait here; at most 10"):
        queue.add(Item("c", "c1"))


def test_what_is_removed_is_not_taken():
    queue, items = _filled("a1", "a2", "b1")
    assert queue.remove(items["a1"])
    assert not queue.remove(items["a1"])
    assert _order(queue) == ["a2", "b1"]
