"""How long a step takes, by what was measured of others."""

from threading import Lock

GROWTH = 1.5  # of time with pixels: convolutions grow as they do, self-attention as their square


class StepTimes:
    """The least time of a step for one prediction, by model and number of pixels. Safe between threads."""

    def __init__(self) -> None:
        self._least: dict[str, dict[int, float]] = {}
        self._lock = Lock()

    def note(self, model: str, pixels: int, rows: int, seconds: float) -> None:
        """Notes a step of so many predictions; the least counts, as what else the machine does adds to it."""
        with self._lock:
            known = self._least.setdefault(model, {})
            known[pixels] = min(known.get(pixels, seconds), seconds / rows)

    def seconds(self, model: str, pixels: int) -> float | None:
        """Of one prediction, estimated from the nearest size below, or above; None where none is known."""
        with self._lock:
            known = dict(self._least.get(model, {}))
        if not known:
            return None
        below = [each for each in known if each <= pixels]
        if below:
            return known[max(below)] * (pixels / max(below)) ** GROWTH
        return known[min(known)] * pixels / min(known)

    def most_pixels(self, model: str, seconds: float) -> int:
        """About the largest picture of which a prediction takes so long; 0 where nothing is known."""
        with self._lock:
            known = self._least.get(model, {})
            return max((int(n * (seconds / each) ** (1 / GROWTH)) for n, each in known.items()), default=0)
