"""Records less of a picture's attention where memory does not allow all of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from limelight.attention.recording.size import RecordingTooLarge
from limelight.pipeline.requests.request import GenerationRequest

T = TypeVar("T")


def begin_with_fallback(begin: Callable[[GenerationRequest], T], request: GenerationRequest) -> tuple[T, str]:
    """Calls `begin` with the request, and then with requests that record less, until one fits.

    Returns:
        The result of `begin`, and a sentence about what is not recorded; empty if all is.

    Raises:
        RecordingTooLarge: no request fits.
    """
    lesser = _lesser(request)
    note = ""
    while True:
        try:
            return begin(request), note
        except RecordingTooLarge:
            following = next(lesser, None)
            if following is None:
                raise
            request, note = following


def _lesser(request: GenerationRequest) -> Iterator[tuple[GenerationRequest, str]]:
    """Requests that record less and less, each with a sentence about what it leaves out."""
    if not request.record:
        return
    left = "A picture of this size and with this many steps leaves no memory for"
    request = replace(request, record_extras=tuple(e for e in request.record_extras if e != "steps"))
    yield request, f"{left} maps of sites at single steps."
    request = replace(request, record_extras=(), record_points=())
    yield request, f"{left} maps of sites at single steps, of places, and the extra maps."
    if request.record == "head":
        yield replace(request, record="site"), f"{left} maps of heads and of places."
    if request.record != "grid":
        yield replace(request, record="grid"), f"{left} maps of sites and of places."
    yield replace(request, record=False), f"{left} maps."
