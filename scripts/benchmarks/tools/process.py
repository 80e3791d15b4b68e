"""Runs Python in new processes, and measures the memory of this process."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that is done.

    Attributes:
        clock: seconds from its start to its end.
        processor: seconds of the processor, in all of its threads.
    """

    output: str
    clock: float
    processor: float


def run(arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Ended:
    """Runs Python with these arguments in the checkout, and waits for its end.

    Raises:
        RuntimeError: it failed; the message has what it wrote to stderr.
    """
    before, start = _of_children(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
    )
    clock = time.perf_counter() - start
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return Ended(done.stdout, clock, _of_children() - before)


def _of_children() -> float:
    """Seconds of the processor of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def last_line(arguments: Sequence[str]) -> Any:
    """The last line that a Python process prints, read as JSON."""
    return json.loads(run(arguments).output.splitlines()[-1])


def prefer_to_be_killed() -> None:
    """If memory runs out, the system kills this process and no other."""
    adjust = Path("/proc/self/oom_score_adj")
    if adjust.exists():
        adjust.write_text("1000")


def resident_bytes(field: str = "VmRSS") -> int:
    """The resident memory of this process: `VmRSS` now, `VmHWM` at most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def forget_peak() -> None:
    """Lowers `VmHWM` to what is in memory now, which getrusage's ru_maxrss never does."""
    Path("/proc/self/clear_refs").write_text("5")
