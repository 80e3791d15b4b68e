"""Writes files atomically: a file is complete or does not exist."""

import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from limelight.pipeline.errors import OutputError

TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> Path:
    """Writes a temporary file in the folder of `path`, flushes it to disk and renames it; returns the full
    path.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full.
    """
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    return path.resolve()


def remove_torn(folder: Path) -> None:
    """Removes temporary files that killed processes have left in `folder` and below. No process may be
    writing there."""
    for parent, _, names in os.walk(folder):
        for name in filter(TEMPORARY.fullmatch, names):
            with suppress(OSError):
                (Path(parent) / name).unlink()
