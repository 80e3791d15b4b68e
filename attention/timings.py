"""Measures once which of several implementations is the fastest here, and keeps the result on disk."""

import json
import logging
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from limelight.files import UnreadableFile, read_json

_MAX_BYTES = 4 * 2**20
_LOG = logging.getLogger(__name__)
_ROUNDS = 3
_PATIENCE = 0.3  # seconds
_SWEPT = 2**24  # bytes; few cores hold more of them in their caches


def cache_file() -> Path:
    """Where measurements are kept: in XDG_CACHE_HOME, or in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "limelight" / "timings.json"


class Timings:
    """The fastest implementation of each case, on this CPU, with this torch and this many threads.

    Args:
        file: where they are kept; None keeps them in memory only. A file that cannot be used is ignored.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._machine = f"{_cpu_name()}, torch {torch.__version__}, weights out of the cache"
        self._fastest: dict[str, str] = _read(file).get(self._machine, {})
        self._taken: dict[str, str] = {}  # for each case so far, a candidate that this program has
        self._is_settled = False

    def settle(self) -> None:
        """Stops measuring: from now on, a case that is not known gets its first candidate."""
        self._is_settled = True

    def fastest(self, case: str, candidates: Callable[[], Mapping[str, Callable[[], object]]]) -> str:
        """The name of the fastest candidate.

        Args:
            case: names the computation and its size.
            candidates: returns functions to call, by name; it is called only if the case is new.
        """
        case = f"{case}, {torch.get_num_threads()} threads"
        if case not in self._taken:
            self._taken[case] = self._choose(case, candidates())
        return self._taken[case]

    def _choose(self, case: str, candidates: Mapping[str, Callable[[], object]]) -> str:
        if self._fastest.get(case) not in candidates:  # new, or from another version of this program
            if self._is_settled:
                return next(iter(candidates))
            self._fastest[case] = _measure(candidates)
            self._write()
        return self._fastest[case]

    def _write(self) -> None:
        if self._file is None:
            return
        known = _read(self._file)  # another process may have added some
        known[self._machine] = known.get(self._machine, {}) | self._fastest
        scratch = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_text(json.dumps(known, indent=1), encoding="utf-8")
            os.replace(scratch, self._file)
        except OSError as error:
            _LOG.info("timings are not kept: %s: %s", self._file, error.strerror)
            self._file = None


def _measure(candidates: Mapping[str, Callable[[], object]]) -> str:
    """The candidate that took the least processor time. They take turns, so that a disturbance affects all.

    The caches are swept before each call, because other layers run between two calls of one layer. Otherwise
    a candidate that reads more, such as filters in addition to the weights, would seem faster than it is.
    """
    if len(candidates) == 1:
        return next(iter(candidates))
    swept = torch.zeros(_SWEPT // 4)
    seconds = dict.fromkeys(candidates, float("inf"))
    begun = time.thread_time()
    for turn in range(_ROUNDS + 1):
        for name, run in candidates.items():
            swept.sum()
            start = time.thread_time()
            run()
            if turn > 0:  # the first round warms up
                seconds[name] = min(seconds[name], time.thread_time() - start)
        if turn > 0 and time.thread_time() - begun > _PATIENCE:
            break  # long measurements vary little
        if turn == 1:  # a candidate that is far behind cannot catch up
            candidates = {
                name: run for name, run in candidates.items() if seconds[name] < 1.5 * min(seconds.values())
            }
    return min(seconds, key=lambda name: seconds[name])


def _read(file: Path | None) -> dict[str, dict[str, str]]:
    try:
        known = read_json(file, max_bytes=_MAX_BYTES) if file is not None else {}
        return {machine: {str(k): str(v) for k, v in cases.items()} for machine, cases in known.items()}
    except (OSError, UnreadableFile, AttributeError):
        return {}


def _cpu_name() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    facts = [line.split(":")[1].strip() for line in lines if line.startswith(("model name", "model\t"))]
    return " ".join(facts[:2]) or platform.processor() or platform.machine()
