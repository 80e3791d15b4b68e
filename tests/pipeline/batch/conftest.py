"""Runs of manifests in processes that share one import of torch."""

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.batch import BatchOptions, batch

Draw = Callable[..., BaseProcess]


@pytest.fixture(scope="session")
def start() -> Draw:
    """start(manifest, output, **options) -> a process that draws; its exit code is the command's."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "app.batch",
            "app.loading",
            "pipeline.batch.run",
            "pipeline.text_to_image",
            "transformers",
            "diffusers",
        ]
    )

    def run(manifest: Path, output: Path, **options: Any) -> BaseProcess:
        process = context.Process(
            target=batch, args=(BatchOptions(manifest=manifest, output=output, **options),), daemon=True
        )
        process.start()
        return process

    return run


@pytest.fixture(scope="session")
def draw(start: Draw) -> Callable[..., int]:
    """draw(manifest, output, **options) -> exit code."""

    def run(*arguments: Any, **options: Any) -> int:
        process = start(*arguments, **options)
        process.join(120)
        code = process.exitcode
        assert code is not None, "did not end"
        return code

    return run


def pictures(folder: Path) -> dict[str, np.ndarray]:
    """Pixels by name of all pictures; a torn one raises."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            found[str(path.relative_to(folder))] = np.asarray(image.convert("RGB"), dtype=int)
    return found


def write_rows(path: Path, rows: Sequence[str], header: str = "prompt,seed,num_steps") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path
