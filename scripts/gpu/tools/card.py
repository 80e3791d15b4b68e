"""The device that is measured: its clocks, its memory, and ways timed in turns."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from scripts.benchmarks.tools.turns import Ratio

Work = Callable[[], object]
WARM = 2  # calls before a way is timed, in which libraries load and kernels are compiled and chosen


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU, or the CPU in a dry run."""

    device: torch.device

    @classmethod
    def find(cls) -> "Card":
        """The current GPU, or the CPU if there is none."""
        return cls(torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu"))

    @property
    def is_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """The dtypes that models run in on this device."""
        return (torch.float16, torch.bfloat16) if self.is_gpu else (torch.float32,)

    def synchronize(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Work, calls: int = 1) -> float:
        """Seconds of one call, the mean of several in a row. On a GPU the time between events, which includes
        the launches."""
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
        """Seconds of wall clock until everything that `work` started on the device is done."""
        self.synchronize()
        start = time.perf_counter()
        work()
        self.synchronize()
        return time.perf_counter() - start

    def peak(self, work: Work) -> int:
        """Bytes that `work` allocates at most beyond those allocated before it; 0 on a CPU, where nothing
        counts them."""
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
        """A context in which the allocator may allocate only this many bytes more."""
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
        """Frees the memory of objects that no longer exist."""
        gc.collect()
        if self.is_gpu:
            torch.cuda.empty_cache()


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of one call in each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> float:
        """The range over the median: smaller differences between ways are noise."""
        return (max(self.rounds) - min(self.rounds)) / self.median

    def over(self, other: "Timed") -> float:
        """The median over rounds of this way's time divided by the other's time in the same round."""
        return Ratio.of(self.rounds, other.rounds).median


def take_turns(card: Card, ways: Mapping[str, Work], *, rounds: int, calls: int = 1) -> dict[str, Timed]:
    """Times every way once a round, after a warm-up of each. On a CPU, whose times mean nothing here, one
    round."""
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
    """The relative error ||out - exact|| / ||exact|| in float64; infinite if a number is not finite."""
    if not bool(out.isfinite().all()):
        return float("inf")
    exact = exact.double()
    return float((out.double() - exact).norm() / exact.norm())


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
