"""Loads a describer by its name."""

import os
from pathlib import Path

import torch

from limelight.files import DOWNLOAD, is_address
from limelight.pipeline.describer.blip import BlipDescriber
from limelight.pipeline.describer.blip_folder import SUPPORTED
from limelight.pipeline.describer.description import Describer
from limelight.pipeline.errors import ModelError, UnknownName
from limelight.pipeline.hub import HUB_ID, TRANSFORMERS, from_hub

DEFAULT_DESCRIBER = Path(__file__).parents[1] / "default_describer"


def load_describer(
    name: str | os.PathLike[str] = "default",
    *,
    device: str | torch.device = "cpu",
    backend: str | None = None,
) -> Describer:
    """The small describer that comes with Limelight, or a BLIP for captions or questions.

    Args:
        name: `default`, a folder as transformers saves it, or a hub id `owner/name`; a hub model is taken
            from the local cache, or downloaded (safetensors only).
        backend: of all attention; None chooses one for each call.

    Raises:
        UnknownName: the name is none of these.
        ModelError: the model cannot be loaded or downloaded.
        UnknownBackend: no backend has that name.
    """
    if name == "default":
        from limelight.pipeline.describer.default import DefaultDescriber  # type: ignore[import-not-found, unused-ignore]

        return DefaultDescriber.from_pretrained(DEFAULT_DESCRIBER)
    folder = _locate(os.fspath(name))
    return BlipDescriber.from_pretrained(folder, name=os.fspath(name), device=device, backend=backend)


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
