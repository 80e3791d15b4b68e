"""Converts a checkpoint in one file to a folder in diffusers layout, for the command line."""

from pathlib import Path

import torch

from limelight.app import report
from limelight.app.loading import refusals
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.device import choose_dtype
from limelight.pipeline.models.save import save_model
from limelight.pipeline.models.single_file.load import load_single_file


def convert(file: Path, folder: Path, *, dtype: str | None) -> None:
    """Writes the model in `file` to `folder` and says where it is."""
    if not file.is_file():
        raise ModelError(f"{file} is no file; give a .safetensors checkpoint")
    # Nothing is computed, so that every dtype will do.
    kind = None if dtype is None else choose_dtype(dtype, torch.device("meta"))
    with refusals():
        model = load_single_file(file, name=str(file), device=torch.device("cpu"), dtype=kind)
    report.say(
        f"{save_model(model, folder)}  ({model.family.name}, {model.scheduler_config['prediction_type']})"
    )
