import time

import pytest

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions.handlers import draw
from limelight.app.ui.form.settings import Settings
from limelight.app.ui.studio.fair_queue import QueueFull
from limelight.app.ui.studio.job import Ticket
from limelight.pipeline import GenerationRequest
from limelight.pipeline.sampling.engine import Session
from tests.app.ui.in_time import run


def _ticket(visitor: str, seed: int = 0, steps: int = 4, attention: str = "", **fields) -> Ticket:
    request = GenerationRequest(prompt="a red apple", seed=seed, num_steps=steps, **fields)
    return Ticket(Visitor(visitor), "default", attention, request, lambda: None)


def _until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def test_each_visitor_gets_its_own_picture(studio, pipe):
    tickets = [_ticket(f"visitor {seed}", seed) for seed in range(6)]
    for ticket in tickets:
        studio.submit([ticket])
    _until(lambda: all(ticket.is_over for ticket in tickets))
    for seed, ticket in enumerate(tickets):
        alone = pipe("a red apple", seed=seed, num_steps=4).image
        difference = max(high for _, high in _difference(ticket.result.image, alone))
        assert ticket.state == "done"
        assert difference <= 1


def _difference(one, other):
    from PIL import ImageChops

    return ImageChops.difference(one, other).getextrema()


def test_a_flood_delays_others_by_at_most_two_pictures(studio):
    flood = [_ticket("flood", seed) for seed in range(8)]
    studio.submit(flood)
    _until(lambda: studio.num_drawing == 2)
    before = sum(ticket.is_over for ticket in flood)
    other = _ticket("other")
    studio.submit([other])
    _until(lambda: other.is_over)
    assert sum(ticket.is_over for ticket in flood) - before <= 2


def test_places_in_the_queue_and_its_end(studio):
    flood = [_ticket("flood", seed, steps=100) for seed in range(8)]
    studio.submit(flood)
    _until(lambda: studio.num_drawing == 2)
    assert [studio.position(ticket) for ticket in flood] == [None, None, 1, 2, 3, 4, 5, 6]
    with pytest.raises(QueueFull, match="6 of your pictures wait, and 3 more were asked for; at most 8"):
        studio.submit([_ticket("flood") for _ in range(3)])
    assert studio.stop(Visitor("flood")) == 8
    _until(lambda: studio.num_drawing == 0)
    assert {ticket.state for ticket in flood} == {"stopped"}


def test_stop_ends_with_the_step_under_way(studio, monkeypatch):
    begun, step = [], Session.step

    def counted(session):
        begun.append(time.monotonic())
        return step(session)

    monkeypatch.setattr(Session, "step", counted)
    studio.submit([_ticket("a", steps=100, width=128, height=128)])
    _until(lambda: len(begun) >= 3)
    studio.stop(Visitor("a"))
    before = len(begun)
    _until(lambda: studio.num_drawing == 0)
    time.sleep(0.3)
    assert len(begun) - before <= 1


def test_two_orders_for_backends_are_drawn_side_by_side(studio):
    tickets = [_ticket("a"), _ticket("b", attention="self=math,cross=tiled")]
    for ticket in tickets:
        studio.submit([ticket])
    _until(lambda: all(ticket.is_over for ticket in tickets))
    used = [ticket.result.info["attention"] for ticket in tickets]
    assert used[0]["self"][0].startswith("sdpa")
    assert used[1] == {"self": ["math (math)"], "cross": ["tiled (tiled)"]}


def test_a_failure_ends_its_pictures_and_the_next_starts_afresh(studio, pipe, monkeypatch):
    def breaks(*_, **__):
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(type(pipe.model.unet), "forward", breaks)
        ticket = _ticket("a")
        studio.submit([ticket])
        _until(lambda: ticket.is_over)
        assert ticket.state == "failed"
        assert "an error in the server" in ticket.error
    after = _ticket("a")
    studio.submit([after])
    _until(lambda: after.is_over)
    assert after.state == "done"


def test_only_the_last_result_of_a_visitor_is_kept_and_goes_with_the_visitor(studio):
    async def drawn() -> str:
        async for message in draw(studio, Visitor("a"), Settings(prompt="a cat", seed="1", num_steps=2)):
            last = message
        return last["pictures"][0]["id"]

    first, second = run(drawn()), run(drawn())
    assert len(studio.results) == 1
    assert studio.results.get(second, Visitor("a")).request.prompt == "a cat"
    with pytest.raises(ValueError, match="draw it again"):
        studio.results.get(first, Visitor("a"))
    studio.leave(Visitor("a"))
    assert len(studio.results) == 0


def test_a_handler_that_is_closed_stops_its_pictures(studio):
    async def broken() -> None:
        messages = draw(studio, Visitor("a"), Settings(prompt="a cat", num_steps=100, count=4))
        async for message in messages:
            if message["pictures"][0]["image"]:
                break
        await messages.aclose()

    run(broken())
    _until(lambda: studio.num_drawing == 0)
