"""The ratios of a report, as bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.benchmarks.tools.report import Report

_HASHSALT = "limelight"  # the same figures are the same file


def draw(reports: Sequence[Report], path: Path) -> bool:
    """Draws the bars of all sections into an SVG; False, and nothing is written, where there are none.

    Raises:
        ImportError: matplotlib, of the extra `dev`, is not installed.
    """
    groups = [
        (", ".join(part for part in (report.title, section.title, case) if part), ways)
        for report in reports
        for section in report.sections
        for case, ways in section.bars.items()
    ]
    if not groups:
        return False
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": _HASHSALT, "svg.fonttype": "none", "font.size": 9}):
        _figure(groups).savefig(path, format="svg", metadata={"Date": None})
    return True


def _figure(groups: Sequence[tuple[str, Mapping[str, float]]]) -> Any:
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(way for _, ways in groups for way in ways))
    num_lines = sum(len(ways) + 2 for _, ways in groups)
    figure = Figure(figsize=(8, 0.8 + 0.2 * num_lines), layout="constrained")
    axes = figure.subplots()
    places, labels, place = [], [], 0
    for title, ways in groups:
        axes.text(0, place, f" {title}", va="center", fontweight="bold")
        for way, ratio in ways.items():
            place += 1
            places.append(place)
            labels.append(way)
            axes.barh(place, ratio, color=f"C{names.index(way) % 10}")
            axes.text(ratio, place, f" {ratio:.2f}", va="center")
        place += 2
    axes.set_yticks(places, labels)
    axes.set_ylim(place - 1, -1)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("of diffusers' time, or what the title says; shorter is better")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
