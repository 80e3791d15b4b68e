"""The command line in a process that has imported torch."""

import os
import sys


def command(arguments: tuple[str, ...], folder: str, stdout: str, stderr: str) -> None:
    """Runs `limelight` with its streams in files, and ends the process with its exit code."""
    for number, name in ((1, stdout), (2, stderr)):
        file = os.open(name, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    os.chdir(folder)
    os.environ |= {"COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    sys.argv = ["limelight", *arguments]
    from limelight.app.cli import run

    run()
