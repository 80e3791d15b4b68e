"""From the name of a model to its folder or file, without loading anything."""

import os
from pathlib import Path

from limelight.pipeline.errors import ModelError, UnknownName
from limelight.pipeline.hub import HUB_ID, from_hub

DEFAULT_MODEL = Path(__file__).parents[1] / "default_model"


def locate_model(name: str | os.PathLike[str]) -> Path:
    """The folder in diffusers layout, or the single file, that `name` stands for.

    Args:
        name: `default`, a folder, a file, or a hub id `owner/name`; a hub model is taken from the local
            cache, or downloaded (safetensors only) where the hub can be reached.

    Raises:
        UnknownName: none of these.
        ModelError: a folder without a model, or a hub model that cannot be had.
    """
    if name == "default":
        return DEFAULT_MODEL
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise ModelError(
                f"{path} is a folder without model_index.json; a model in diffusers layout has one"
            )
        return path
    if path.is_file():
        return path
    if HUB_ID.fullmatch(str(name)):
        return from_hub(str(name))
    raise UnknownName(
        "model",
        str(name),
        ["default", "a folder in diffusers layout", "a .safetensors file", "a hub id owner/name"],
    )
