"""`limelight convert`."""

from pathlib import Path
from typing import Annotated

import typer

from limelight.app import report
from limelight.app.commands.options import grouped, load_options
from limelight.app.load import LoadOptions, refusals
from limelight.pipeline.errors import ModelError

_LOAD = load_options("dtype", help={"dtype": "Dtype of the weights; as in FILE if omitted."})


@grouped
def convert(
    file: Annotated[Path, typer.Argument(help="A .safetensors checkpoint in the original layout.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for the model in diffusers layout.")],
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Convert FILE, a single-file checkpoint, to FOLDER, which diffusers can load too."""
    if not file.is_file():
        raise ModelError(f"{file} is no file; give a .safetensors checkpoint")
    import torch

    from limelight.pipeline.models.device import choose_dtype
    from limelight.pipeline.models.save import save_model
    from limelight.pipeline.models.single_file.load import load_single_file

    # Nothing is computed, so any dtype works on any device.
    kind = None if load.dtype is None else choose_dtype(load.dtype, torch.device("meta"))
    with refusals():
        model = load_single_file(file, name=str(file), device=torch.device("cpu"), dtype=kind)
    report.say(
        f"{save_model(model, folder)}  ({model.family.name}, {model.scheduler_config['prediction_type']})"
    )
