"""The parts by letter, in the order of their importance."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding


class Measure(Protocol):
    def __call__(self, card: Card, *, tiny: bool, until: float) -> Iterator[Finding]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the check.

    Attributes:
        module: in `scripts.gpu.parts`, imported when the part begins.
        seconds: the time that it may take.
        title: of its table.
        group: what `--part` names.
        function: of the module.
    """

    module: str
    seconds: float
    title: str
    group: str = "eager"
    function: str = "measure"

    def measure(self) -> Measure:
        found: Measure = getattr(importlib.import_module(f"scripts.gpu.parts.{self.module}"), self.function)
        return found


PARTS = {
    "p": Part("peaks", 3, "What the card reaches"),
    "a": Part("suite", 90, "Tests marked gpu"),
    "b": Part("backends", 20, "Backends against float64"),
    "c": Part("kernel", 25, "The Triton kernel"),
    "d": Part("unet", 60, "A prediction of the U-Net"),
    "e": Part("recording", 25, "What recording costs"),
    "g": Part("batch", 60, "A batch of the default model"),
    "o": Part("profile", 20, "Where the time of a prediction goes"),
    "s": Part("suspects", 40, "Open questions"),
    "h": Part("memory", 40, "Memory"),
    "f": Part("engine", 60, "Requests together"),
    "i": Part("adapters", 15, "Adapters"),
    "dc": Part("compiled", 190, "A compiled U-Net, SD1.5's size", "compiled"),
    "dx": Part("compiled", 220, "A compiled U-Net, SDXL's size", "compiled", "measure_large"),
    "dm": Part("compiled", 400, "A compiled U-Net, max-autotune", "documented", "measure_documented"),
}
GROUPS = tuple(dict.fromkeys(part.group for part in PARTS.values()))
