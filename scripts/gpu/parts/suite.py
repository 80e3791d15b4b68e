"""Runs the tests that need a GPU, with pytest in a process of its own."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from scripts.benchmarks.tools.process import ROOT
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding

MARK = "mark.gpu"
PROCESSES = 4  # processes, since tests of small models leave a GPU idle
MARGIN = 3.0  # seconds kept for reporting the findings so far
OUTCOMES = ("PASSED", "SKIPPED", "FAILED", "ERROR")
# `tests/a.py::test PASSED [ 5%]`, or from one of several processes `[gw0] [ 5%] PASSED tests/a.py::test`
TEST = re.compile(r"tests/\S+")
OUTCOME = re.compile(rf"(?:tests/\S.* |\[gw\d+\] \[ *\d+%\] )({'|'.join(OUTCOMES)})\b")


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    files = marked_files()
    output = output_of(command(files, runs=card.is_gpu), until - time.time() - MARGIN)
    yield finding_of(output, len(files), runs=card.is_gpu)


def marked_files() -> list[str]:
    """The test files with a `gpu` mark. Only these are collected, since others may import missing
    packages."""
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [os.fspath(path.relative_to(ROOT)) for path in tests if MARK in path.read_text()]


def command(files: Sequence[str], *, runs: bool) -> list[str]:
    """The pytest command; without `runs` it only collects the tests, as a dry run on a CPU must."""
    started = [sys.executable, "-m", "pytest", *files, "-m", "gpu", "-p", "no:cacheprovider"]
    if not runs:
        return [*started, "-q", "--collect-only"]
    several = ["-n", str(PROCESSES)] if find_spec("xdist") is not None else []
    return [*started, "-v", "-rfE", "--tb=line", *several]


def output_of(started: Sequence[str], seconds: float) -> str:
    """The output of the command, both streams. After the time limit the command and its child processes are
    killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            started, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            output.seek(0, os.SEEK_END)
            output.write(f"\nERROR not finished in {seconds:.0f} seconds\n")
        output.seek(0)
        return output.read()


def finding_of(output: str, num_files: int, *, runs: bool) -> Finding:
    """Counts of test results, and the reasons of failures; a run without tests is a failure."""
    lines = output.splitlines()
    errors = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if not runs:
        numbers = {"files": num_files, "tests": sum("::" in line for line in lines)}
        verdict = "measured" if numbers["tests"] and not errors else "failed"
        return Finding("tests marked gpu, collected", verdict, numbers, "; ".join(errors))
    ran = [(found[1], line) for line in lines if "::" in line and (found := OUTCOME.match(line))]
    seen = [outcome for outcome, _ in ran]
    # A run that was stopped ends without a list of its failures.
    ids = [TEST.findall(line)[0] for outcome, line in ran if outcome in ("FAILED", "ERROR")]
    errors += [f"FAILED {name}" for name in ids if not any(name in error for error in errors)]
    numbers = {"files": num_files, **{word.lower(): seen.count(word) for word in OUTCOMES}}
    is_right = numbers["passed"] > 0 and not errors
    last = lines[-1] if lines else "no output"
    words = "; ".join(errors) if is_right or errors else last
    return Finding("tests marked gpu", "right" if is_right else "wrong", numbers, words)
