"""How much of a picture's attention is recorded, where memory does not allow all of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from limelight.attention.recording.size import RecordingTooLarge
from limelight.pipeline.requests.request import GenerationRequest

T = TypeVar("T")


def with_what_fits(begin: Callable[[GenerationRequest], T], request: GenerationRequest) -> tuple[T, str]:
    """What `begin` returns for the request, or for the first that records less and fits.

    Returns:
        It, and what was left out, as a sentence; empty if nothing was.

    Raises:
        RecordingTooLarge: nothing of the ladder fits, or nothing was recorded.
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
    """The request with ever less recorded, and what is then left out."""
    if not request.record:
        return
    left = "A picture of this size and as many steps leaves no memory for"
    request = replace(request, record_extras=tuple(e for e in request.record_extras if e != "steps"))
    yield request, f"{left} maps of sites at single steps."
    request = replace(request, record_extras=(), record_points=())
    yield request, f"{left} maps of sites at single steps, of places, and what else was asked for."
    if request.record == "head":
        yield replace(request, record="site"), f"{left} maps of heads and of places."
    if request.record != "grid":
        yield replace(request, record="grid"), f"{left} maps of sites and of places."
    yield replace(request, record=False), f"{left} maps."
