"""Imported once, before processes are forked from it: what every run imports, and how it is started."""

import os
from pathlib import Path

from app.batch import BatchOptions, batch
from pipeline import TextToImagePipeline

TextToImagePipeline.from_pretrained("default", device="cpu")("a cat", num_steps=1, record="grid")


def run(options: BatchOptions, told: Path) -> None:
    """Draws, and puts what it tells into a file."""
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    batch(options)
