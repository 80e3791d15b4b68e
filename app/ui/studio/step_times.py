"""Estimates how long a step takes from the times of other steps."""

from threading import Lock

GROWTH = 1.5  # exponent of time over pixels: 1 for convolutions, 2 for self-attention


class StepTimes:
    """The least time of a step for one prediction, by model and number of pixels. Safe between threads."""

    def __init__(self) -> None:
        self._least: dict[str, dict[int, float]] = {}
        self._lock = Lock()

    def note(self, model: str, pixels: int, rows: int, seconds: float) -> None:
        """Notes the time of a step of `rows` predictions. The least time counts: other work on the machine
        only adds to it."""
        with self._lock:
            known = self._least.setdefault(model, {})
            known[pixels] = min(known.get(pixels, seconds), seconds / rows)

    def seconds(self, model: str, pixels: int) -> float | None:
        """Estimated seconds of one prediction, from the nearest measured size below, else above; None if no
        size was measured."""
        with self._lock:
            known = dict(self._least.get(model, {}))
        if not known:
            return None
        below = [each for each in known if each <= pixels]
        if below:
            return known[max(below)] * (pixels / max(below)) ** GROWTH
        return known[min(known)] * pixels / min(known)

    def most_pixels(self, model: str, seconds: float) -> int:
        """About the largest picture, in pixels, whose prediction takes at most `seconds`; 0 if no size was
        measured."""
        with self._lock:
            known = self._least.get(model, {})
            return max((int(n * (seconds / each) ** (1 / GROWTH)) for n, each in known.items()), default=0)
