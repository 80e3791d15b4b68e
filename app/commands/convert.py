"""`limelight convert`."""

from pathlib import Path
from typing import Annotated

import typer


def convert(
    file: Annotated[Path, typer.Argument(help="A .safetensors checkpoint in the original layout.")],
    folder: Annotated[Path, typer.Argument(help="A new folder, for the model in diffusers layout.")],
    dtype: Annotated[str | None, typer.Option(help="Of the weights; as in FILE if not given.")] = None,
) -> None:
    """Convert FILE, a checkpoint in one file, to FOLDER, which diffusers loads too."""
    from limelight.app.converting import convert as convert_file

    convert_file(file, folder, dtype=dtype)
