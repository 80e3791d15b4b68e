"""Reports of benchmarks, as Markdown."""

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MEASURED = ("torch", "diffusers", "transformers", "openvino", "onnxruntime", "xformers")


@dataclass(frozen=True, slots=True)
class Section:
    """One table and its text.

    Attributes:
        num_texts: number of the first columns that hold text and are left-aligned.
        bars: case -> way -> its ratio to what it is compared with, for the plot.
    """

    title: str = ""
    text: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    num_texts: int = 1
    bars: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def lines(self, level: int) -> Iterable[str]:
        if self.title:
            yield from (f"{'#' * level} {self.title}", "")
        if self.text:
            yield from (self.text.strip(), "")
        if self.columns:
            marks = ["---" if i < self.num_texts else "--:" for i in range(len(self.columns))]
            yield from (f"| {' | '.join(self.columns)} |", f"|{'|'.join(marks)}|")
            yield from (f"| {' | '.join(row)} |" for row in self.rows)
            yield ""


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one benchmark.

    Attributes:
        text: what is measured, and how.
    """

    title: str
    text: str
    sections: Sequence[Section]

    def lines(self, level: int) -> Iterable[str]:
        yield from (f"{'#' * level} {self.title}", "")
        yield from self.body(level)

    def body(self, level: int) -> Iterable[str]:
        if self.text:
            yield from (self.text.strip(), "")
        for section in self.sections:
            yield from section.lines(level + 1)


@dataclass(frozen=True, slots=True)
class Setting:
    """The conditions of a measurement.

    Attributes:
        load: the system's load average before the benchmark began.
        note: a sentence from the command line.
    """

    device: str
    num_threads: int
    command: str
    load: float
    note: str = ""

    def lines(self) -> Iterable[str]:
        facts = f"{device_name(self.device)}, {self.num_threads} thread(s), {', '.join(versions())}, Python "
        facts += f"{platform.python_version()}, {platform.system()}. Load of the machine before it began: "
        facts += f"{self.load:.1f}, of {os.cpu_count()} processors."
        yield from (f"{facts} {self.note}".rstrip(), "", f"    {self.command}", "")


def markdown(reports: Sequence[Report], setting: Setting, plot: str | None = None) -> str:
    """The reports below one head.

    Args:
        plot: file name of the plot, in the folder of the report.
    """
    is_one = len(reports) == 1
    lines = [f"# {reports[0].title if is_one else 'Benchmarks'}", "", *setting.lines()]
    if plot is not None:
        lines += [f"![the ratios, as bars]({plot})", ""]
    for report in reports:
        lines += report.body(1) if is_one else report.lines(2)
    return "\n".join(lines).rstrip() + "\n"


def versions() -> list[str]:
    """Names and versions of the measured packages that are installed."""
    found = []
    for name in MEASURED:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
