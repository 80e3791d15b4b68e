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


class ManifestError(UsageError):
    """A manifest cannot be drawn; `faults` are all that were found."""

    def __init__(self, name: str, faults: Sequence[Fault]) -> None:
        self.faults = sorted(faults)
        number = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        super().__init__("\n".join([f"{name} has {number}; nothing was drawn", *map(str, self.faults)]))


class OutputInUse(UsageError):
    """Another run draws into the folder."""


class WorldError(UsageError):
    """Not as many processes take part as were asked for."""


class OutputLost(LimelightError, RuntimeError):
    """The folder is full, or gone, in the middle of a run; what is in it is whole."""
