"""What can be wrong with a run of many pictures before it begins, and what can stop it."""

from collections.abc import Sequence
from dataclasses import dataclass

from limelight.errors import LimelightError, UsageError


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong with a manifest.

    Attributes:
        line: from 1, where the row begins; of parquet, the row.
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


SHOWN = 6  # lines that are named one by one


class ManifestError(UsageError):
    """A manifest cannot be drawn; `faults` are all that were found."""

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
    """Another run draws into the folder."""


class WorldError(UsageError):
    """Not as many processes take part as were asked for."""


class OutputLost(LimelightError, RuntimeError):
    """The folder is full, or gone, in the middle of a run; what is in it is whole."""
