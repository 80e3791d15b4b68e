"""The device that is measured: clocks, memory, and work in turns."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from scripts.benchmarks.tools.turns import Ratio

Work = Callable[[], object]
WARM = 2  # calls before a way is timed: libraries load, kernels are compiled and chosen


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU; or the CPU, on which a dry run goes through every line."""

    device: torch.device

    @classmethod
    def find(cls) -> "Card":
        """The current GPU where there is one."""
        return cls(torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu"))

    @property
    def is_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """Those that models run in here."""
        return (torch.float16, torch.bfloat16) if self.is_gpu else (torch.float32,)

    def synchronize(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Work, calls: int = 1) -> float:
        """Of one call, the mean of several in a row: between events on a GPU, so launches count too."""
        if not self.is_gpu:
            start = time.perf_counter()
            for _ in range(calls):
                work()
            return (time.perf_counter() - start) / calls
        begun, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.synchronize()
        begun.record()
        for _ in range(calls):
            work()
        ended.record()
        self.synchronize()
        return begun.elapsed_time(ended) / 1000 / calls

    def wall(self, work: Work) -> float:
        """Seconds by the clock until everything that `work` asked of the device is done."""
        self.synchronize()
        start = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - start

    def peak(self, work: Work) -> int:
        """Bytes that `work` takes at most beyond what is there before; 0 on a CPU, which does not count."""
        if not self.is_gpu:
            work()
            return 0
        self.synchronize()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        work()
        self.synchronize()
        return torch.cuda.max_memory_allocated(self.device) - before

    @contextmanager
    def only(self, num_bytes: int) -> Iterator[None]:
        """Within it the allocator has so many bytes beyond what is allocated now, and refuses more."""
        if not self.is_gpu:
            yield
            return
        self.forget()
        total = torch.cuda.get_device_properties(self.device).total_memory
        allowed = torch.cuda.memory_allocated(self.device) + num_bytes
        torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / total), self.device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, self.device)

    def forget(self) -> None:
        """Gives back what nobody holds."""
        gc.collect()
        if self.is_gpu:
            torch.cuda.empty_cache()


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of one call, round by round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The distance of the extremes over the median: a smaller difference between ways is noise."""
        return (max(self.rounds) - min(self.rounds)) / self.median

    def over(self, other: "Timed") -> float:
        """The median over the rounds of this way's time over the other's in the same round."""
        return Ratio.of(self.rounds, other.rounds).median


def take_turns(card: Card, ways: Mapping[str, Work], *, rounds: int, calls: int = 1) -> dict[str, Timed]:
    """Every way in every round, after each was warmed up. A CPU, whose times mean nothing, has one round."""
    rounds, warm = (rounds, WARM) if card.is_gpu else (1, 1)
    for way in ways.values():
        for _ in range(warm):
            way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(card.seconds(way, calls))
    return {name: Timed(tuple(each)) for name, each in taken.items()}


def error(out: torch.Tensor, exact: torch.Tensor) -> float:
    """||out - exact|| / ||exact|| in float64; infinite where a number is not finite."""
    if not bool(out.isfinite().all()):
        return float("inf")
    exact = exact.double()
    return float((out.double() - exact).norm() / exact.norm())


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
