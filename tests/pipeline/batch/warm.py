"""Is imported once before processes are forked: the imports of every run, and a function that starts it."""

import os
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import limelight.pipeline.results.png
import limelight.pipeline.sampling.engine
from limelight.app.commands.batch import BatchOptions, draw_manifest
from limelight.app.load import LoadOptions
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.atomic import write_whole
from limelight.pipeline.text.encoder import TextEncoder

TextToImagePipeline.from_pretrained("default", device="cpu")("a cat", num_steps=1, record="grid")


def run(options: BatchOptions, printed: Path, hold: tuple[str, float] | None) -> None:
    """Draws, and writes what it prints into a file.

    Args:
        hold: a function to pause in, once, and for how many seconds; meanwhile the file `held` exists next to
            the output.
    """
    file = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if hold is not None:
        _hold(hold[0], _Once(printed.parent / "held", hold[1]))
    draw_manifest(options)


class _Once:
    def __init__(self, note: Path, seconds: float) -> None:
        self.note, self.seconds = note, seconds

    def __call__(self) -> None:
        if not self.note.exists():
            self.note.touch()
            time.sleep(self.seconds)


def _hold(at: str, pause: _Once) -> None:
    if at == "load":
        LoadOptions.load = _after(pause, LoadOptions.load)  # type: ignore[method-assign]
    elif at == "encode":
        pause_here = lambda: threading.current_thread() is threading.main_thread() and pause()  # noqa: E731
        TextEncoder.prompt = _after(pause_here, TextEncoder.prompt)  # type: ignore[method-assign]
    elif at == "sample":
        limelight.pipeline.sampling.engine.predict = _after(pause, limelight.pipeline.sampling.engine.predict)
    elif at == "decode":
        limelight.pipeline.sampling.engine.decode_with_notes = _after(
            pause, limelight.pipeline.sampling.engine.decode_with_notes
        )
    elif at == "save":
        limelight.pipeline.results.png.write_whole = lambda path, write: write_whole(
            path, lambda file: (write(file), file.flush(), pause())
        )
    else:
        raise ValueError(at)


def _after(pause: Callable[[], object], work: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(work)
    def held(*arguments: Any, **options: Any) -> Any:
        pause()
        return work(*arguments, **options)

    return held
