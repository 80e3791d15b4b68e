"""The errors of a batch: faults of a manifest, and causes that stop a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from limelight.errors import LimelightError, UsageError


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of a manifest.

    Attributes:
        line: the line on which the row begins, from 1; in parquet, the number of the row.
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


SHOWN = 6  # lines that are named one by one


class ManifestError(UsageError):
    """A manifest cannot be drawn; `faults` holds all its faults."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        self.faults = sorted(faults)
        number = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        super().__init__("\n".join([f"{name} has {number}; nothing was drawn", *_in_words(self.faults)]))


def _in_words(faults: Sequence[Fault]) -> list[str]:
    """A line for each reason, with the lines of the manifest that have it."""
    lines: dict[str, list[int]] = {}
    for fault in faults:
        lines.setdefault(fault.text, []).append(fault.line)
    return [f"{_listed(sorted(set(numbers)))}: {text}" for text, numbers in lines.items()]


def _listed(numbers: Sequence[int]) -> str:
    """`line 3`, `lines 2, 5 and 7`, or of more than `SHOWN` the first and the last."""
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    if len(numbers) > SHOWN:
        return f"{len(numbers)} lines from {numbers[0]} to {numbers[-1]}"
    return f"lines {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


class OutputInUse(UsageError):
    """Another run is using the output folder."""


class WorldError(UsageError):
    """The number of processes differs from the number that the user gave."""


class OutputLost(LimelightError, RuntimeError):
    """The output folder became full, or disappeared, during a run. All pictures in it are complete."""
