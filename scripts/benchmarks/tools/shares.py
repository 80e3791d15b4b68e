"""Profiles how the time of one thread is divided among functions."""

import cProfile
import pstats
from collections.abc import Callable, Mapping
from typing import Any

# A part of a path, and a function -> its name in the report. No function of a table calls another of it.
Places = Mapping[tuple[str, str], str]


def shares(work: Callable[[], object], places: Places) -> str:
    """The share of each place, including all that it calls, and of the rest, under a profiler."""
    profile = cProfile.Profile()
    profile.runcall(work)
    stats: Any = pstats.Stats(profile)
    spent = dict.fromkeys(places.values(), 0.0)
    for (file, _, name), (_, _, _, cumulative, _) in stats.stats.items():
        for (part, function), label in places.items():
            if name == function and part in file.replace("\\", "/"):
                spent[label] += cumulative
    # Not total_tt: operations of one name, such as aten.add's, take each other's place in the statistics.
    total = max(cumulative for _, _, _, cumulative, _ in stats.stats.values())
    spent["the rest"] = total - sum(spent.values())
    return ", ".join(f"{label} {seconds / total:.0%}" for label, seconds in spent.items())
