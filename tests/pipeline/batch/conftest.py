"""Runs of manifests in processes that share one import of torch."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limelight.app.commands.batch import BatchOptions
from limelight.app.load import LoadOptions

Draw = Callable[..., BaseProcess]


@pytest.fixture(scope="session")
def start() -> Draw:
    """start(manifest, output, hold=(at, seconds), **options) -> a process that draws; its exit code is the
    command's, except that a usage error is 1. What it prints goes into `printed`, next to the output."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads that wait for each other cost more than they save
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pipeline.batch.warm"])

    def run(
        manifest: Path,
        output: Path,
        *,
        hold: tuple[str, float] | None = None,
        load: LoadOptions = LoadOptions(device="cpu"),  # noqa: B008
        **options: Any,
    ) -> BaseProcess:
        from tests.pipeline.batch import warm

        given = BatchOptions(manifest=manifest, output=output, load=load, **options)
        process = context.Process(target=warm.run, args=(given, output.parent / "printed", hold), daemon=True)
        process.start()
        return process

    return run


@pytest.fixture(scope="session")
def draw(start: Draw) -> Callable[..., tuple[int, str]]:
    """draw(manifest, output, patience=seconds, **options) -> exit code and printed text."""

    def run(manifest: Path, output: Path, *, patience: float = 120, **options: Any) -> tuple[int, str]:
        (output.parent / "printed").unlink(missing_ok=True)
        process = start(manifest, output, **options)
        process.join(patience)
        code = process.exitcode
        assert code is not None, "did not end"
        return code, (output.parent / "printed").read_text()

    return run


def pictures(folder: Path) -> dict[str, np.ndarray]:
    """The pixels of all pictures, by name; raises if a file is torn."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            found[str(path.relative_to(folder))] = np.asarray(image.convert("RGB"), dtype=int)
    return found


def write_rows(path: Path, rows: Sequence[str], header: str = "prompt,seed,num_steps") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path
