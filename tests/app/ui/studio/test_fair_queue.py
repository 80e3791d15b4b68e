from dataclasses import dataclass

import pytest

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.studio.fair_queue import FairQueue, QueueFull


@dataclass(eq=False)
class Item:
    visitor: Visitor
    name: str


def _item(name: str, address: str = "") -> "Item":
    return Item(Visitor(name[0], address=address), name)


def _filled(*names: str) -> tuple[FairQueue[Item], dict[str, Item]]:
    queue: FairQueue[Item] = FairQueue(10, 5)
    items = {name: _item(name) for name in names}
    for item in items.values():
        queue.add(item)
    return queue, items


def _order(queue: FairQueue[Item]) -> list[str]:
    taken = []
    while (item := queue.take(lambda visitor: True)) is not None:
        taken.append(item.name)
    return taken


def test_visitors_take_turns_in_any_order_of_arrival():
    queue, _ = _filled("a1", "a2", "a3", "b1", "c1", "b2")
    assert _order(queue) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_positions_are_the_order_in_which_they_are_taken():
    queue, items = _filled("a1", "a2", "a3", "b1", "c1", "b2")
    places = {name: queue.position(item) for name, item in items.items()}
    assert [name for name, _ in sorted(places.items(), key=lambda pair: pair[1])] == _order(queue)
    assert queue.position(items["a1"]) is None


def test_requests_that_may_not_begin_are_passed_over():
    queue, _ = _filled("a1", "a2", "b1")
    assert queue.take(lambda visitor: visitor.session != "a").name == "b1"
    assert queue.take(lambda visitor: visitor.session != "a") is None
    assert len(queue) == 2


def test_one_visitor_cannot_fill_the_queue():
    queue, _ = _filled("a1", "a2", "a3", "a4")
    with pytest.raises(QueueFull, match=r"4 of your pictures wait, and 2 more were asked for; at most 5"):
        queue.check_room(Visitor("a"), 2)
    queue.check_room(Visitor("b"), 5)


def test_it_is_bounded():
    queue, _ = _filled(*[f"{visitor}{i}" for visitor in "ab" for i in range(5)])
    with pytest.raises(QueueFull, match=r"10 pictures wait here; at most 10"):
        queue.add(_item("c1"))


def test_removed_requests_are_not_taken():
    queue, items = _filled("a1", "a2", "b1")
    assert queue.remove(items["a1"])
    assert not queue.remove(items["a1"])
    assert _order(queue) == ["a2", "b1"]


def test_addresses_take_turns_however_many_visitors_come_from_one():
    queue: FairQueue[Item] = FairQueue(10, 5)
    for name, address in (("a1", "flood"), ("b1", "flood"), ("c1", "flood"), ("d1", "home"), ("e1", "home")):
        queue.add(_item(name, address))
    assert _order(queue) == ["a1", "d1", "b1", "e1", "c1"]


def test_in_a_full_queue_the_address_with_most_makes_room():
    queue: FairQueue[Item] = FairQueue(4, 5)
    items = [_item(name, "flood") for name in ("a1", "a2", "b1", "c1")]
    assert [queue.add(item) for item in items] == [None] * 4
    assert queue.add(_item("d1", "home")) is items[1]
    assert len(queue) == 4
    assert queue.add(_item("e1", "home")) is not None
    with pytest.raises(QueueFull, match="4 pictures wait here"):
        queue.add(_item("f1", "home"))  # as many as the flood has
    with pytest.raises(QueueFull, match="4 pictures wait here"):
        queue.add(_item("g1", "flood"))
