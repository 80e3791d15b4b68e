"""Where the time goes."""

import math
import re

from scripts.benchmarks.tools.shares import shares


def busy(rounds: int) -> float:
    return sum(math.sqrt(i) for i in range(rounds))


def also_busy(rounds: int) -> float:
    return busy(rounds)


def test_time_is_attributed_to_places() -> None:
    def work() -> None:
        also_busy(300_000)
        busy(100_000)

    text = shares(work, {("test_shares.py", "also_busy"): "work", ("elsewhere.py", "busy"): "none"})
    found = re.fullmatch(r"work (\d+)%, none (\d+)%, the rest (\d+)%", text)
    assert found is not None
    work_share, none, rest = map(int, found.groups())
    assert 50 < work_share < 95 and none == 0 and abs(work_share + rest - 100) <= 1
