"""Steps that would take too long are refused before they are queued, and no step delays the others."""

import pytest
from PIL import Image

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.studio.desk import Desk, Key
from limelight.app.ui.studio.pace import Pace, rows_of
from limelight.app.ui.studio.step_times import StepTimes
from limelight.app.ui.studio.studio import Studio, checked
from limelight.attention.timings import Timings
from limelight.pipeline import GenerationRequest
from limelight.pipeline.sampling.engine import Session
from tests.default_model import SIDE


def _request(side: int | None = None, **fields) -> GenerationRequest:
    return GenerationRequest(prompt="a", num_steps=2, width=side, height=side, **fields)


def test_estimates_grow_with_pixels_from_the_nearest_size_below():
    times = StepTimes()
    assert times.seconds("m", 64 * 64) is None
    times.note("m", 64 * 64, 2, 0.2)
    times.note("m", 64 * 64, 2, 9.0)  # something else was at work
    times.note("m", 128 * 128, 1, 0.5)
    assert times.seconds("m", 64 * 64) == 0.1
    assert times.seconds("m", 256 * 256) == pytest.approx(0.5 * 4**1.5)
    assert times.seconds("m", 32 * 32) == pytest.approx(0.1 / 4)
    assert times.most_pixels("m", 4.0) == pytest.approx(256 * 256, rel=1e-3)


def test_a_step_that_takes_too_long_is_refused_with_the_size_that_does_not(pipe):
    pace = Pace({"default": pipe}, Limits(max_step_seconds=5))
    pace.check(_request(1024), "default")  # nothing is known yet
    pace.times.note("default", 64 * 64, 1, 0.1)
    pace.check(_request(), "default")
    pace.check(_request(128), "default")
    said = "one step of 512x512 takes about 102 seconds on this server, .* at most 5 seconds: draw 184x184 or"
    with pytest.raises(NotOffered, match=said):
        pace.check(_request(512), "default")
    with pytest.raises(NotOffered, match="one step of 256x256"):
        pace.check(_request(64, hires_scale=4), "default")
    with pytest.raises(NotOffered, match="takes about 51 seconds"):
        pace.check(_request(512, guidance_scale=1), "default")


def test_a_models_own_size_is_never_refused(pipe):
    pace = Pace({"default": pipe}, Limits(max_step_seconds=5))
    pace.times.note("default", SIDE * SIDE, 1, 60.0)
    pace.check(_request(), "default")
    pace.check(_request(SIDE), "default")
    with pytest.raises(NotOffered):
        pace.check(_request(2 * SIDE), "default")


def test_a_call_is_no_larger_than_others_may_wait_for(pipe):
    pace = Pace({"default": pipe}, Limits(max_step_seconds=5))
    key = Key("default", "", (256, 256))
    assert pace.max_rows(key) == pipe.engine.max_rows
    pace.times.note("default", 256 * 256, 1, 1.3)
    assert pace.max_rows(key) == 3
    pace.times.note("default", 256 * 256, 1, 0.01)
    assert pace.max_rows(key) == pipe.engine.max_rows


def test_rows_of_a_step_are_those_of_both_pictures_of_an_edit():
    image = Image.new("RGB", (64, 64))
    guided = {"prompt": "a", "guidance_scale": 3.0}
    assert [
        rows_of(GenerationRequest(**guided, **fields))
        for fields in ({}, {"edit_of": "b"}, {"edit_of": "b", "image": image})
    ] == [2, 4, 3]


def test_the_studio_refuses_before_a_request_is_queued(studio):
    studio.pace.times.note("default", 64 * 64, 1, 1.0)
    with pytest.raises(NotOffered, match="others would wait for it"):
        checked(studio, _request(512), "default", "")


def test_after_settling_no_timing_is_taken():
    calls = []
    timings = Timings(None)
    ways = {"usual": lambda: calls.append("usual"), "other": lambda: calls.append("other")}
    timings.fastest("known", lambda: ways)
    assert calls
    calls.clear()
    timings.settle()
    assert timings.fastest("new", lambda: ways) == "usual"
    assert calls == []
    assert timings.fastest("newer", lambda: dict(reversed(ways.items()))) == "other"  # the first of them
    assert calls == []


def test_desks_share_the_time_by_their_visitors(studio, monkeypatch):
    """One with a picture whose steps take ten times as long gets as much time as each of the others."""
    now = [0.0]
    monkeypatch.setattr("limelight.app.ui.studio.studio.time.perf_counter", lambda: now[0])
    taken = {"small": 0.0, "large": 0.0}

    class Drawing(Session):
        is_busy = True

        def __init__(self, name: str, seconds: float) -> None:
            self.name, self.seconds = name, seconds

        def step(self):
            now[0] += self.seconds
            taken[self.name] += self.seconds
            return []

    class Held:
        def __init__(self, visitor: str) -> None:
            self.visitor = visitor

    visitors = {i: Held(f"visitor {i}") for i in range(4)}
    desks = {
        Key("default", "", (64, 64)): Desk(Drawing("small", 0.1), visitors),
        Key("default", "", (512, 512)): Desk(Drawing("large", 1.0), {0: Held("one")}),
    }
    idle = Studio(studio.pipelines, studio.limits)
    idle.close()
    idle._desks = desks
    for _ in range(400):
        idle._advance(min(desks, key=lambda key: desks[key].spent))
    assert taken["small"] / taken["large"] == pytest.approx(4, rel=0.15)
