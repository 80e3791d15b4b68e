"""What a release must reach, read from the tables that the evaluations print."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.second.scoring.tasks import GENEVAL, TASKS

TIME_SHARE = 0.667  # 1.5 times as fast as diffusers
OVERALL = 0.93  # of the six tasks, of a model that was trained on a GPU
NUMBER = re.compile(r"-?\d+(\.\d+)?")
SIX = tuple((task.name,) for task in TASKS[:GENEVAL])
POINTING, OTHER, OVERLAP = "pointing", "pointing at the other thing", "IoU at the best threshold"
OWN, PAINTED = "own map in its place", (("loose",),)


@dataclass(frozen=True)
class Bar:
    """A score and its limit.

    Attributes:
        step: name of the file with the table, without its ending.
        rows: the first cells of the rows that count; of several the worst.
        column: the first one of this name.
        limit: the least that is enough, or with `at_most` the most.
    """

    name: str
    step: str
    rows: tuple[tuple[str, ...], ...]
    column: str
    limit: float
    at_most: bool = False

    def score(self, folder: Path) -> float | None:
        """The score in the folder's files; None if one of the rows is not there."""
        path = folder / f"{self.step}.md"
        found = [_number(path, row, self.column) for row in self.rows] if path.is_file() else [None]
        known = [number for number in found if number is not None]
        if len(known) < len(found):
            return None
        return max(known) if self.at_most else min(known)

    def line(self, folder: Path) -> str:
        """The row of the summary."""
        score, sign = self.score(folder), "at most" if self.at_most else "at least"
        if score is None:
            return f"| {self.name} | | {sign} {self.limit:g} | not measured |"
        is_enough = score <= self.limit if self.at_most else score >= self.limit
        return f"| {self.name} | {score:.3f} | {sign} {self.limit:g} | {'yes' if is_enough else '**no**'} |"


def bars(overall: float) -> list[Bar]:
    """All of them; `overall` is the limit of the mean of the six tasks."""

    def maps(kind: str, column: str, limit: float, *, at_most: bool = False) -> Bar:
        row = (f"{kind} words", "the model's default")
        return Bar(f"{kind} words, {column}", "maps", (row,), column, limit, at_most)

    ours = (("Limelight",),)
    return [
        Bar("six tasks, overall", "tasks", (("overall",),), "right", overall),
        Bar("the weakest of the six", "tasks", SIX, "right", 0.75),
        Bar("place", "tasks", (("place",),), "right", 0.9),
        Bar("style", "tasks", (("style",),), "right", 0.9),
        maps("noun", POINTING, 0.98),
        maps("noun", OTHER, 0.03, at_most=True),
        maps("noun", OVERLAP, 0.8),
        maps("colour", POINTING, 0.95),
        maps("colour", OVERLAP, 0.75),
        maps("stuff", OVERLAP, 0.85),
        Bar("painted quarters, own map there", "painted", PAINTED, OWN, 0.97),
        Bar("painted blobs, own map there", "painted-blobs", PAINTED, OWN, 0.9),
        Bar("three painted things, own maps there", "painted-three", PAINTED, OWN, 0.9),
        Bar("a picture, seconds of one core", "picture", ours, "seconds", 1.5, at_most=True),
        Bar(
            "a picture, time of diffusers'", "picture", ours, "of diffusers'", round(1 / 1.5, 3), at_most=True
        ),
    ]


def summary(folder: Path, overall: float = OVERALL) -> str:
    """Markdown: every score of the folder, its limit, and whether it is enough."""
    lines = [bar.line(folder) for bar in bars(overall)]
    return "\n".join(["| score | is | must be | enough |", "|---|--:|--:|---|", *lines])


def _number(path: Path, row: tuple[str, ...], column: str) -> float | None:
    head: Sequence[str] = ()
    for cells in _rows(path.read_text(encoding="utf-8")):
        if column in cells:
            head = cells
        elif head and tuple(cells[: len(row)]) == row:
            number = NUMBER.search(cells[head.index(column)])
            return float(number[0]) if number else None
    return None


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]
