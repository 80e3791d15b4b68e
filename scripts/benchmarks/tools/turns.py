"""Alternatives take turns, so that other load on the machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Way = Callable[[], object]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds: of the processor, in all threads of this process, and by the clock."""

    processor: float
    clock: float


def timed(way: Callable[[], Found]) -> tuple[Found, Taken]:
    clock, processor = time.perf_counter(), time.process_time()
    found = way()
    return found, Taken(time.process_time() - processor, time.perf_counter() - clock)


def take_turns(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Taken]]:
    """The times of each alternative in each round, without a warm-up."""
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(timed(way)[1])
    return taken


@dataclass(frozen=True, slots=True)
class Ratio:
    """One way's time over another's in the same round: the median of all rounds, and the ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, times: Sequence[float], others: Sequence[float]) -> "Ratio":
        ratios = [a / b for a, b in zip(times, others, strict=True)]
        return cls(statistics.median(ratios), min(ratios), max(ratios))

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.least:.3f} to {self.most:.3f})"


def processor(taken: Sequence[Taken]) -> list[float]:
    return [each.processor for each in taken]


def clock(taken: Sequence[Taken]) -> list[float]:
    return [each.clock for each in taken]


def seconds(times: Sequence[float]) -> str:
    """The median, in three digits."""
    median = statistics.median(times)
    return f"{median:.1f}" if median >= 100 else f"{median:.3g}"
