"""From the name of a model to its folder or file, without loading anything."""

import os
import re
from pathlib import Path

from pipeline.errors import ModelError, UnknownName

DEFAULT_MODEL = Path(__file__).parent / "default_model"
HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_HUB_FILES = ["*.json", "*/*.json", "*/*.safetensors", "*/*.txt"]


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


def from_hub(repo: str) -> Path:
    """The folder of a hub model: in the local cache, or downloaded (safetensors only).

    Raises:
        ModelError: it cannot be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, allow_patterns=_HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(repo, allow_patterns=_HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{repo!r} is no folder here, is not in the hub's local cache, and could not be downloaded "
            f"({type(error).__name__}); use `default`, or the path of a folder"
        ) from None
