import time

import pytest

from limelight.app.ui.studio.recording_fallback import begin_with_fallback
from limelight.attention.recording.size import RecordingTooLarge
from limelight.pipeline import GenerationRequest
from tests.default_model import SIDE

REQUEST = GenerationRequest(
    prompt="a", record="head", record_extras=("steps", "values"), record_points=((1, 1),)
)


def _fits(*wanted):
    """A `begin` that accepts only requests which record at most the allowed maps; returns the accepted
    ones."""

    def begin(request):
        found = request.record, request.record_extras, bool(request.record_points)
        if found != wanted:
            raise RecordingTooLarge("too much")
        return found

    return begin


def test_a_request_that_fits_begins_unchanged():
    assert begin_with_fallback(lambda request: request, REQUEST) == (REQUEST, "")


@pytest.mark.parametrize(
    ("wanted", "note"),
    [
        (("head", ("values",), True), "sites at single steps."),
        (("head", (), False), "of places, and the extra maps."),
        (("site", (), False), "maps of heads and of places."),
        (("grid", (), False), "maps of sites and of places."),
        ((False, (), False), "no memory for maps."),
    ],
)
def test_recordings_that_do_not_fit_are_dropped_one_by_one_and_named(wanted, note):
    found, said = begin_with_fallback(_fits(*wanted), REQUEST)
    assert found == wanted
    assert said.endswith(note)


@pytest.mark.parametrize("record", ["head", False])
def test_if_nothing_fits_the_reason_is_given(record):
    with pytest.raises(RecordingTooLarge):
        begin_with_fallback(_fits(), GenerationRequest(prompt="a", record=record))


def test_a_large_picture_is_drawn_with_fewer_maps(studio):
    from limelight.app.ui.access.visitor import Visitor
    from limelight.app.ui.studio.job import Ticket

    side = 4 * SIDE
    points = tuple((x, y) for x in range(8, side, side // 16) for y in range(8, side, side // 16))
    request = GenerationRequest(
        prompt="a", width=side, height=side, num_steps=100, record="head", record_extras=("steps",),
        record_points=points,
    )  # fmt: skip
    ticket = Ticket(Visitor("a"), "default", "", request, lambda: None)
    studio.submit([ticket])
    while ticket.state == "waiting":
        time.sleep(0.02)
    studio.stop(Visitor("a"))
    assert ticket.error == ""
    assert "maps of sites at single steps" in ticket.note
