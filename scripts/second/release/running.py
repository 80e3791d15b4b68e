"""Runs commands, some at once, each with its output in a file; goes on where it was stopped."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAUSE = 0.1  # seconds between two looks at the commands that run


@dataclass(frozen=True)
class Step:
    """A command: `python -m` and `argv`.

    Attributes:
        after: names of steps that must have come to an end before, well or not.
        alone: nothing else may run meanwhile, as it is timed.
    """

    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()
    alone: bool = False

    @property
    def head(self) -> str:
        """The first line of the output: the command, as documentation prints it."""
        return f"    {shlex.join(['python', '-m', *self.argv])}"

    def is_done(self, out: Path) -> bool:
        """Whether this very command has run to its end."""
        path = out / f"{self.name}.md"
        return path.is_file() and path.read_text(encoding="utf-8").partition("\n")[0] == self.head


@dataclass(frozen=True)
class Running:
    """A step that has begun. Its output gets its name when it has come to a good end."""

    step: Step
    process: subprocess.Popen
    part: Path
    began: float

    @classmethod
    def begin(cls, step: Step, out: Path) -> "Running":
        """One thread for each step, whose times would else depend on what runs at the same time."""
        part, log = out / f".{step.name}.part", out / f"{step.name}.log"
        part.write_text(f"{step.head}\n\n", encoding="utf-8")
        with part.open("a") as output, log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", *step.argv],
                stdout=output,
                stderr=errors,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        return cls(step, process, part, time.monotonic())

    def end(self) -> bool:
        """Names the output and says how it went; returns whether it went well."""
        is_good, name = self.process.returncode == 0, self.step.name
        if is_good:
            self.part.replace(self.part.with_name(f"{name}.md"))
        seconds = time.monotonic() - self.began
        print(f"{name}: {'done' if is_good else 'FAILED'} after {seconds:.0f} s", file=sys.stderr, flush=True)
        return is_good


def run(steps: Sequence[Step], out: Path, at_once: int) -> list[str]:
    """Runs the steps that are not done, in order as far as they wait for none; returns those that failed."""
    waiting = [step for step in steps if not step.is_done(out)]
    print(f"{len(steps) - len(waiting)} of {len(steps)} steps are done", file=sys.stderr, flush=True)
    running: list[Running] = []
    failed: list[str] = []
    try:
        while waiting or running:
            open_names = {step.name for step in (*waiting, *(each.step for each in running))}
            step = next((each for each in waiting if open_names.isdisjoint(each.after)), None)
            if step is not None and _fits(step, [each.step for each in running], at_once):
                waiting.remove(step)
                running.append(Running.begin(step, out))
                continue
            time.sleep(PAUSE)
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                if not each.end():
                    failed.append(each.step.name)
    finally:
        for each in running:
            each.process.terminate()
    return failed


def _fits(step: Step, running: Sequence[Step], at_once: int) -> bool:
    if step.alone or any(each.alone for each in running):
        return not running
    return len(running) < at_once
