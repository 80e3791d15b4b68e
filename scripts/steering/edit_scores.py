"""What came of edits: how many are done, and what stays. Outcomes are kept in a file, from which a run that
was stopped goes on."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.second.scoring.statistics import interval

LEAST = 1e-12  # of a mean squared error: no PSNR is above 120 dB


def decibels(error: float) -> float:
    """The PSNR of a mean squared error of values from 0 to 1."""
    return -10 * math.log10(max(error, LEAST))


@dataclass(frozen=True)
class Outcome:
    """One edit in one way.

    Attributes:
        done: whether the judge sees what the edit asks for.
        others: of each thing that should stay and was there, whether it is.
        ground: whether it is the same; None where the edit is of the ground.
        error: the mean squared error outside the places of the edited words; None as for `ground`.
    """

    done: bool
    others: tuple[bool, ...]
    ground: bool | None
    error: float | None


@dataclass(frozen=True)
class Edited:
    """One edit in all ways.

    Attributes:
        base_psnr: of an edit of an image, how near the base comes to it, in dB.
        vae_psnr: how near the image comes to itself through the VAE alone.
    """

    seed: int
    kind: str
    ways: Mapping[str, Outcome]
    base_psnr: float | None = None
    vae_psnr: float | None = None


class Scores:
    """What came of the edits in one way."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.done = np.array([each.done for each in outcomes], float)
        self.others = [stays for each in outcomes for stays in each.others]
        self.ground = [each.ground for each in outcomes if each.ground is not None]
        self.errors = [each.error for each in outcomes if each.error is not None]

    @property
    def balance(self) -> float:
        """The mean of what an edit is for: done, and nothing else changed."""
        return (float(self.done.mean()) + float(np.mean(self.others)) + float(np.mean(self.ground))) / 3

    def cells(self) -> list[str]:
        """Those of `COLUMNS` after the first."""
        low, high = interval(self.done, np.random.default_rng(0))
        stay = [f"{np.mean(each):.2f} of {len(each)}" for each in (self.others, self.ground)]
        psnr = [decibels(float(np.mean(self.errors))), float(np.median([decibels(x) for x in self.errors]))]
        return [f"{self.done.mean():.2f}", f"{low:.2f} to {high:.2f}", *stay, *(f"{x:.1f} dB" for x in psnr)]


COLUMNS = ("way", "edit done", "95 %", "others stay", "ground stays", "PSNR outside", "median")


def scores(edits: Sequence[Edited]) -> dict[str, Scores]:
    """Of each way."""
    return {name: Scores([each.ways[name] for each in edits]) for name in edits[0].ways}


def by_kind(edits: Sequence[Edited], way: str) -> dict[str, float]:
    """The share of edits that are done, of each kind."""
    found: dict[str, list[bool]] = {}
    for each in edits:
        found.setdefault(each.kind, []).append(each.ways[way].done)
    return {kind: float(np.mean(done)) for kind, done in found.items()}


class Kept:
    """A file of outcomes, a line of JSON each; the first says what was asked.

    Raises:
        SystemExit: the file is of another run.
    """

    def __init__(self, path: Path | None, asked: Mapping[str, Any]) -> None:
        self.path = path
        self.edits: list[Edited] = []
        first = json.dumps(dict(asked), sort_keys=True)
        if path is None:
            return
        if not path.exists():
            path.write_text(first + "\n")
        head, *lines = path.read_text().splitlines()
        if head != first:
            raise SystemExit(f"{path} is of another run, {head}; this one is {first}: name another file")
        self.edits = [_edited(line) for line in lines]

    def add(self, edits: Sequence[Edited]) -> None:
        self.edits += edits
        if self.path is not None:
            with self.path.open("a") as file:
                file.writelines(json.dumps(asdict(each)) + "\n" for each in edits)


def _edited(line: str) -> Edited:
    fields = json.loads(line)
    ways = {name: Outcome(**way | {"others": tuple(way["others"])}) for name, way in fields["ways"].items()}
    return Edited(**fields | {"ways": ways})
