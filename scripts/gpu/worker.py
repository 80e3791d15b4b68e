"""Runs parts of the check in this process, one after another, and writes their findings.

An error is a result and the next part goes on, except where the GPU itself failed: nothing works in a process
after that, so it ends with `GPU_FAILED`, and `check.py` starts another.
"""

import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from scripts.gpu.table import PARTS
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding, Lines

GPU_FAILED = 75
STICKY = ("CUDA error", "device-side assert", "illegal memory access", "unspecified launch failure")


def run(names: Sequence[str], lines: Lines, end: float, *, tiny: bool) -> int:
    """Runs the parts and returns an exit code: 0, or `GPU_FAILED`.

    Args:
        end: deadline of the whole check, as `time.time`.
    """
    card = Card.find()
    for name in names:
        # A dry run goes through all parts.
        until = end if tiny else min(end, time.time() + PARTS[name].seconds)
        if time.time() >= until:
            return 0
        lines.event(name, "begun", until=until)
        failure = run_part(name, lines, card, until, tiny=tiny)
        lines.event(name, "ended")
        if failure is not None and any(sign in str(failure) for sign in STICKY):
            return GPU_FAILED
        card.forget()
    return 0


def run_part(name: str, lines: Lines, card: Card, until: float, *, tiny: bool) -> Exception | None:
    """Writes every finding as it is made; returns a message if the part failed."""
    count = 0
    try:
        found = PARTS[name].measure()(card, tiny=tiny, until=until)
        for finding in found:
            lines.write(name, finding)
            count += 1
            if time.time() >= until:
                lines.write(
                    name, Finding("the rest", "failed", {}, f"no time was left after {count} findings")
                )
                found.close()
                break
    except Exception as failure:
        words = f"{type(failure).__name__}: {str(failure).strip()[:600]}"
        place = traceback.extract_tb(failure.__traceback__)[-1]
        lines.write(
            name, Finding("the rest", "failed", {}, f"{words} ({Path(place.filename).name}:{place.lineno})")
        )
        return failure
    return None


if __name__ == "__main__":
    torch.manual_seed(0)
    names, folder, end, tiny = sys.argv[1:]
    sys.exit(run(names.split(","), Lines(Path(folder)), float(end), tiny=tiny == "tiny"))
