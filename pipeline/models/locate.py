"""Finds the folder or file of a model by its name, without loading anything."""

import os
from pathlib import Path

from limelight.files import DOWNLOAD, is_address
from limelight.pipeline.errors import ModelError, UnknownName
from limelight.pipeline.hub import HUB_ID, from_hub
from limelight.unet.weights.find import PICKLE_SUFFIXES

_SUFFIXES = (".safetensors", *PICKLE_SUFFIXES)
_OTHERS = "`default`, or a hub id owner/name"
DEFAULT_MODEL = Path(__file__).parents[1] / "default_model"


def locate_model(name: str | os.PathLike[str]) -> Path:
    """The folder in diffusers layout, or the single file, of the model `name`.

    Args:
        name: `default`, a folder, a file, or a hub id `owner/name`; a hub model is taken from the local
            cache, or downloaded (safetensors only) where the hub can be reached.

    Raises:
        UnknownName: the name is none of these.
        ModelError: the folder has no model, or the hub model cannot be downloaded.
    """
    if name == "default":
        return DEFAULT_MODEL
    path = _path(name)
    if path.is_dir():
        if not (path / "model_index.json").is_file():
            raise ModelError(
                f"{path} is a folder without model_index.json; a model in diffusers layout has one"
            )
        return path
    if path.is_file():
        return path
    if path.exists():
        raise ModelError(f"{path} is neither a file nor a folder; a model is one of them")
    if is_address(name):
        raise ModelError(f"{os.fspath(name)[:200]} {DOWNLOAD}; hub models are named owner/name")
    if _is_a_path(os.fspath(name)):
        raise ModelError(
            f"{os.fspath(name)} does not exist; give a folder in diffusers layout, a file, or {_OTHERS}"
        )
    if HUB_ID.fullmatch(str(name)):
        return from_hub(str(name))
    raise UnknownName(
        "model",
        str(name)[:200],
        ["default", "a folder in diffusers layout", "a .safetensors file", "a hub id owner/name"],
    )


def _path(name: str | os.PathLike[str]) -> Path:
    """The name as a path. Raises ModelError if no path can have it."""
    path = Path(name)
    try:
        path = path.expanduser()
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, a home that is not there
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{os.fspath(name)[:200]!r} cannot be the path of a model: {reason}") from None
    return path


def _is_a_path(name: str) -> bool:
    """Whether a name without file or folder was meant as a path, and not as the id of a hub model."""
    parts = Path(name).parts
    return name.startswith((".", "~", os.sep)) or len(parts) > 2 or Path(name).suffix.lower() in _SUFFIXES
