"""Loads a describer by its name."""

import os
from pathlib import Path

from limelight.files import DOWNLOAD, UnreadableFile, is_address, read_json
from limelight.pipeline.describer.blip import BlipDescriber
from limelight.pipeline.describer.blip_folder import SUPPORTED
from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.describer.description import Describer
from limelight.pipeline.errors import ModelError, UnknownName
from limelight.pipeline.hub import HUB_ID, TRANSFORMERS, from_hub
from limelight.pipeline.models.device import choose_device


def load_describer(
    name: str | os.PathLike[str] = "default",
    *,
    device: str | None = None,
    backend: str | None = None,
) -> Describer:
    """The small describer that comes with Limelight, one of its kind, or a BLIP for captions or questions.

    Args:
        name: `default`, a folder that `scripts.describer.ship` wrote or as transformers saves it, or a hub
            id `owner/name`; a hub model is taken from the local cache, or downloaded (safetensors only).
        device: None chooses the best one here.
        backend: of all attention; None chooses one for each call.

    Raises:
        UnknownName: the name is none of these.
        ModelError: the model cannot be loaded or downloaded.
        UnknownBackend: no backend has that name.
    """
    chosen = choose_device(device)
    if name == "default":
        return DefaultDescriber.from_pretrained(device=chosen, backend=backend)
    folder = _locate(os.fspath(name))
    if _is_small(folder):
        return DefaultDescriber.from_pretrained(folder, device=chosen, backend=backend)
    return BlipDescriber.from_pretrained(folder, name=os.fspath(name), device=chosen, backend=backend)


def _locate(name: str) -> Path:
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        return Path(path)
    if os.path.exists(path):
        raise ModelError(f"{name} is not a folder; {SUPPORTED}, as a folder")
    if is_address(name):
        raise ModelError(f"{name[:200]} {DOWNLOAD}; hub models are named owner/name")
    if HUB_ID.fullmatch(name):
        return from_hub(name, TRANSFORMERS)
    raise UnknownName("describer", name[:200], ["default", "a folder of a BLIP", "a hub id owner/name"])


def _is_small(folder: Path) -> bool:
    """Whether a folder holds a describer of the small kind."""
    try:
        return "reader" in read_json(folder / "config.json")
    except (UnreadableFile, OSError, TypeError):
        return False
