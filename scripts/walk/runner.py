"""Runs the commands of the documentation in a new clone, as a newcomer does."""

import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.walk.expected import BEFORE, NOT_RUN, PACKAGES, Expected, expected_of, runnable
from scripts.walk.pages import Printed

PATIENCE = 900.0  # seconds; the installation takes minutes
STOPPING = 30.0  # seconds
KEPT = ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS", "SSL_CERT_FILE", "PIP_CERT", "PIP_FIND_LINKS")
_ADDRESS = re.compile(r"Limelight is at (http://\S+)")


@dataclass(frozen=True, slots=True)
class Walked:
    """The outcome of a command; `fault` is empty if it did what was expected."""

    printed: Printed
    seconds: float
    fault: str
    is_skipped: bool = False


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a newcomer's shell: a home, a path and a language."""
    home.mkdir(parents=True, exist_ok=True)
    return {name: value for name in KEPT if (value := os.environ.get(name))} | {"HOME": str(home)}


def supply(clone: Path) -> None:
    """Adds the files that pages expect a reader to have; pictures are copies of the first one drawn."""
    from PIL import Image

    first = next((clone / "outputs").glob("*.png"))
    for name in ("photo.png", "picture.png"):
        shutil.copy(first, clone / name)
    (clone / "prompts.csv").write_text("prompt,seed,steps\na red apple,1,4\na green frog,2,4\n")
    (clone / "prompts.txt").write_text("a red apple --steps 4\n")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (16, 16, 48, 48))
    mask.save(clone / "mask.png")


def walk(each: Printed, clone: Path, environment: Mapping[str, str]) -> Walked:
    """Runs one command, or the programs of a page, and compares what it does with what is expected."""
    started = time.monotonic()
    if each.language == "python":
        if each.page in NOT_RUN:
            return Walked(each, 0.0, "", is_skipped=True)
        fault = _run_program(each, clone, environment)
    else:
        expected = expected_of(each.text)
        if expected is None:
            fault = "nothing is expected of it; add it to scripts/walk/expected.py"
        elif expected.skipped:
            return Walked(each, 0.0, "", is_skipped=True)
        else:
            fault = _run_command(each, expected, clone, environment)
    return Walked(each, time.monotonic() - started, fault)


def _run_program(each: Printed, clone: Path, environment: Mapping[str, str]) -> str:
    if (package := PACKAGES.get(each.page)) is not None:
        install = [clone / ".venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", package]
        subprocess.run(install, cwd=clone, env=dict(environment), check=True, timeout=PATIENCE)
    done = subprocess.run(
        [clone / ".venv/bin/python", "-c", BEFORE.get(each.page, "") + runnable(each.text)],
        cwd=clone,
        env=dict(environment) | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {_end(done.stderr)}"


def _run_command(each: Printed, expected: Expected, clone: Path, environment: Mapping[str, str]) -> str:
    activated = "" if each.text.startswith(("make ", "source ")) else "source .venv/bin/activate && "
    command = ["bash", "-c", f"{activated}{each.text}"]
    if expected.serves:
        return _serve(command, clone, environment)
    before = {path for pattern in expected.makes for path in clone.glob(pattern)}
    done = subprocess.run(
        command, cwd=clone, env=dict(environment), capture_output=True, text=True, timeout=PATIENCE
    )
    said = done.stdout + done.stderr
    if done.returncode != expected.code:
        return f"exit code {done.returncode}, not {expected.code}: {_end(said)}"
    if not re.search(expected.says, said):
        return f"does not print {expected.says!r}: {_end(said)}"
    missing = [pattern for pattern in expected.makes if not set(clone.glob(pattern)) - before]
    return f"made no new {', '.join(missing)}" if missing and not before else ""


def _serve(command: list[str], clone: Path, environment: Mapping[str, str]) -> str:
    """Starts the page, asks for it, and stops it as Ctrl-C does."""
    with subprocess.Popen(
        command,
        cwd=clone,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        said, fault = "", "never said where the page is"
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            if found := _ADDRESS.search(line):
                fault = _answer(found[1])
                break
        try:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(STOPPING)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            fault = fault or f"did not stop within {STOPPING:.0f} s"
        said += process.stdout.read()
    if "Traceback" in said:
        fault = fault or "stops with a traceback"
    return fault and f"{fault}: {_end(said)}"


def _answer(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            page = answer.read().decode()
    except OSError as error:
        return f"{url} cannot be opened: {error}"
    return "" if "Limelight" in page else f"{url} is another page"


def _end(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-4:])[-600:]
