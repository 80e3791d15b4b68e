"""The time of a run, and how its phases share it."""

import json
import time
from pathlib import Path

# Ends of the phases, as shares of the run's time.
ENDS = {"start": 0.03, "polish": 0.15, "stock": 0.17, "learn": 0.885, "decoder": 0.94, "finish": 1.0}
# The same where the autoencoder begins from random weights.
FROM_SCRATCH = ENDS | {"polish": 0.3, "stock": 0.32}


class Clock:
    """Counts seconds since the run began, and logs events to `log.jsonl` and standard output."""

    def __init__(self, seconds: float, folder: Path):
        self.seconds, self.began, self.ends = seconds, time.monotonic(), ENDS
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def is_over(self, phase: str) -> bool:
        return self.elapsed >= self.ends[phase] * self.seconds

    def progress(self, phase: str, began: float) -> float:
        """The share of a phase's time that is over, 0..1.

        Args:
            began: seconds at which the phase really began.
        """
        end = self.ends[phase] * self.seconds
        return min(1.0, max(0.0, (self.elapsed - began) / max(end - began, 1e-3)))

    def log(self, event: str, **facts: object) -> None:
        row = {"at": round(self.elapsed, 1), "event": event} | facts
        with self.path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(" ".join(f"{key} {_short(value)}" for key, value in row.items()), flush=True)


def _short(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def rate(peak: float, progress: float, warmup: float = 0.01, decay: float = 0.45) -> float:
    """The learning rate at a share of the time: a rise, a plateau, then a linear fall to 0 over the last
    `decay`."""
    return peak * min(1.0, progress / warmup + 0.02, (1 - progress) / decay)
