"""Finds models of the Hugging Face hub in the local cache, or downloads them."""

import re
from collections.abc import Sequence
from pathlib import Path

from limelight.pipeline.errors import ModelError

HUB_ID = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
# Files of a model by the library that saved it. An image model in one file lies next to diffusers' folders.
DIFFUSERS = ("*.json", "*/*.json", "*/*.safetensors", "*/*.txt")
TRANSFORMERS = ("*.json", "*.safetensors", "*.txt")


def from_hub(repo: str, files: Sequence[str] = DIFFUSERS) -> Path:
    """The folder of a hub model: in the local cache, or downloaded (safetensors only).

    Args:
        files: patterns of the files that are needed.

    Raises:
        ModelError: it is neither in the cache nor can be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, allow_patterns=list(files), local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    except HFValidationError:
        raise ModelError(f"{repo!r} is no folder here, and no id that a hub model can have") from None
    try:
        return Path(snapshot_download(repo, allow_patterns=list(files)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"{repo!r} is no folder here, is not in the hub's local cache, and could not be downloaded "
            f"({type(error).__name__}); use `default`, or the path of a folder"
        ) from None
