"""Checks and times Limelight on a GPU: `python -m scripts.gpu.check --seconds 300 --out DIR`.

On a fresh machine with Python 3.12, torch 2.11 and a GPU, from the repository's root, where the folder
PAYLOAD is what `scripts.gpu.payload` has packed elsewhere:

    python3 -m pip install -q --no-index --no-deps --no-compile --target /tmp/site PAYLOAD/*.whl \\
        && PYTHONPATH=/tmp/site python3 -m scripts.gpu.check --seconds 300 --out DIR

and in a call of its own, since graphs of SDXL take minutes:

    PYTHONPATH=/tmp/site python3 -m scripts.gpu.check --part compiled --seconds 420 --out DIR

Parts run in the order of their importance, each until its own deadline; parts p to g need about 280 seconds.
Results are in DIR/results.jsonl as soon as they are known, a JSON line each, and at the end in
DIR/results.md. A part that fails, takes too long or takes its process with it is a result in words, and the
next goes on. `--dry-run` goes through all of it with tiny sizes, on a CPU too: the first thing to do on a new
machine.
`python -m scripts.gpu.collect` makes a page of docs/benchmarks of what came back.
"""

import argparse
import importlib.metadata
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from scripts.benchmarks.tools.process import ROOT
from scripts.benchmarks.tools.report import Section
from scripts.gpu.table import GROUPS, PARTS
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding, Lines, findings, table

GRACE = 8.0  # seconds beyond its deadline, after which a part's process is killed
PAUSE = 0.1  # seconds between checks of the worker process
MIN_LEFT = 3.0  # seconds; no part begins with less time left
PACKAGES = ("torch", "triton", "diffusers", "xformers", "transformers", "accelerate", "flash-attn", "peft")


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    options = parsed(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    lines = Lines(options.out)
    end = time.time() + options.seconds
    lines.event("", "facts", **facts(argv))
    supervise(options.only, lines, end, tiny=options.dry_run)
    report = markdown(lines, options.only)
    (options.out / "results.md").write_text(report)
    print(report)
    return 1 if any(line.get("verdict") == "wrong" for line in lines.read()) else 0


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    parts = "\n".join(f"  {name:3} {part.seconds:4.0f} s  {part.title}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m scripts.gpu.check",
        description=f"{__doc__}\nParts, and the seconds that each may take:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seconds", type=float, default=300, help="time for all parts; no part begins after it"
    )
    parser.add_argument("--only", default="", help="parts by letter, separated by commas")
    parser.add_argument(
        "--part", choices=GROUPS, default="eager", help="group of parts to run if --only is not given"
    )
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes; needs no GPU")
    parser.add_argument("--out", type=Path, default=Path("build/gpu"), help="folder for the results")
    options = parser.parse_args(argv)
    names = [name for name, part in PARTS.items() if part.group == options.part]
    options.only = options.only.split(",") if options.only else names
    if unknown := [name for name in options.only if name not in PARTS]:
        parser.error(f"--only has {unknown[0]!r}; must be of {', '.join(PARTS)}")
    if not options.dry_run and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device; without one there is only --dry-run")
    return options


def supervise(names: Sequence[str], lines: Lines, end: float, *, tiny: bool) -> None:
    """Runs all parts in a worker process, which is replaced when a part crashes it or does not end."""
    left = list(names)
    while left:
        if time.time() + MIN_LEFT > end:
            for name in left:
                lines.write(name, Finding("all of it", "failed", {}, "not begun: the time was over"))
            return
        words = watch(left, lines, end, tiny=tiny)
        begun = [
            name for name in left if any(line["part"] == name and "event" in line for line in lines.read())
        ]
        ended = [line["part"] for line in lines.read() if line.get("event") == "ended"]
        for name in [name for name in begun if name not in ended] or ([] if begun else left[:1]):
            lines.write(name, Finding("the rest", "failed", {}, words))
            begun = [*begun, name]
        left = [name for name in left if name not in begun]


def watch(names: Sequence[str], lines: Lines, end: float, *, tiny: bool) -> str:
    """Runs one worker to its end or to a deadline, and returns a message that says how it ended."""
    command = ["-m", "scripts.gpu.worker", ",".join(names), os.fspath(lines.path.parent), str(end)]
    path = os.pathsep.join(
        [os.fspath(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    )
    process = subprocess.Popen(
        [sys.executable, *command, "tiny" if tiny else "full"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            time.sleep(PAUSE)
            if time.time() > deadline(lines, names, end) + GRACE:
                return "killed: it did not end at its deadline"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return f"its process ended with code {process.returncode}"


def deadline(lines: Lines, names: Sequence[str], end: float) -> float:
    """The deadline of the part that is running; before the first has begun, that of the whole check."""
    events = [line for line in lines.read() if line["part"] in names and "event" in line]
    return float(events[-1]["until"]) if events and events[-1]["event"] == "begun" else end


def facts(argv: Sequence[str]) -> dict[str, Any]:
    """What the results depend on: device, versions, command."""
    card = Card.find()
    found: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "scripts.gpu.check", *argv]),
        "device": torch.cuda.get_device_name(card.device) if card.is_gpu else f"CPU, {platform.machine()}",
        "python": platform.python_version(),
        "cuda": torch.version.cuda or "none",
        "cudnn": str(torch.backends.cudnn.version()),
        "driver": output_of(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]),
        "revision": output_of(["git", "rev-parse", "--short", "HEAD"]),
        "processors": os.cpu_count(),
    }
    if card.is_gpu:
        properties = torch.cuda.get_device_properties(card.device)
        found["memory, GiB"] = round(properties.total_memory / 2**30, 1)
        found["compute capability"] = f"{properties.major}.{properties.minor}"
        found["multiprocessors"] = properties.multi_processor_count
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def output_of(command: Sequence[str]) -> str:
    """The first line of a program's output; empty if the program is missing or fails."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().partition("\n")[0] if done.returncode == 0 else ""


def markdown(lines: Lines, names: Sequence[str]) -> str:
    """The report: first the findings that are wrong or failed, then a table for each part."""
    read = lines.read()
    bad = [
        (name, each) for name in names for each in findings(read, name) if each.verdict in ("wrong", "failed")
    ]
    text = [
        "# On a GPU",
        "",
        *(f"- {name}: {each.case}: {each.verdict}. {each.words}" for name, each in bad),
        "",
    ]
    for name in names:
        columns, rows = table(findings(read, name))
        text += Section(f"({name}) {PARTS[name].title}", columns=columns, rows=rows, num_texts=2).lines(2)
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
