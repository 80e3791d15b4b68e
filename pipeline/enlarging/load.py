"""Loads enlargers: a model's own, or one of the many for photographs and drawings."""

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from limelight.files import UnreadableFile, read_json, require_regular_files
from limelight.pipeline.enlarging.enlarger import Enlarger
from limelight.pipeline.enlarging.network import SCALE, EnlargerNetwork
from limelight.pipeline.errors import ModelError, UsageError
from limelight.unet.weights.header import read_header
from limelight.unet.weights.tensors import content_hash

FOLDER = "enlarger"  # of a model
WEIGHTS, CONFIG = "model.safetensors", "config.json"
MOST = 8  # times a side


def own_enlarger(model: Path, device: torch.device) -> Enlarger | None:
    """The enlarger in a model's folder, if there is one.

    Raises:
        ModelError: it cannot be used.
    """
    return load_enlarger(model / FOLDER, device) if (model / FOLDER).is_dir() else None


def load_enlarger(path: Path, device: torch.device) -> Enlarger:
    """An enlarger.

    Args:
        path: a .safetensors file of ESRGAN, SwinIR or another network that the package spandrel knows, or a
            folder with Limelight's own.

    Raises:
        UsageError: there is no such file, or spandrel is missing.
        ModelError: it holds no enlarger.
    """
    if path.is_dir():
        return _from_folder(path, device)
    if not path.is_file():
        raise UsageError(f"{path} does not exist; an enlarger is a .safetensors file, such as ESRGAN's")
    if path.suffix != ".safetensors":
        raise UsageError(
            f"{path} is no .safetensors file; other files can run programs when they are opened. "
            "Look for the same enlarger in that format"
        )
    try:
        import spandrel
    except ImportError:
        raise UsageError(f"{path} needs the package spandrel; pip install 'limelight[enlarge]'") from None
    read_header(path)  # refuses a damaged file, and one of another format
    try:
        found = spandrel.ModelLoader(device=device).load_from_file(path)
    except Exception as error:  # the package raises errors of many kinds, its networks more
        reason = str(error) or type(error).__name__
        raise ModelError(f"{path} holds no enlarger that spandrel knows: {reason}") from None
    if not isinstance(found, spandrel.ImageModelDescriptor) or not 2 <= found.scale <= MOST:
        raise ModelError(f"{path} is no enlarger of colour pictures by 2 to {MOST}")
    if (found.input_channels, found.output_channels) != (3, 3):
        raise ModelError(f"{path} enlarges {found.input_channels} channels; pictures have 3")
    return Enlarger(
        path.stem,
        content_hash([path]),
        found.eval(),
        found.scale,
        found.size_requirements.multiple_of,
        device,
    )


def _from_folder(folder: Path, device: torch.device) -> Enlarger:
    try:
        require_regular_files(folder)
        config = read_json(folder / CONFIG)
        network = EnlargerNetwork(channels=int(config["channels"]), depth=int(config["depth"]))
        network.load_state_dict({name: x.float() for name, x in load_file(folder / WEIGHTS).items()})
    except (UnreadableFile, OSError) as error:
        raise ModelError(str(error)) from None
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{folder} holds no enlarger: {error}") from None
    network.to(device).eval().requires_grad_(False)

    def enlarge(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 fh fw"]:
        return (network(x * 2 - 1) + 1) / 2

    name = folder.parent.name if folder.name == FOLDER else folder.name
    return Enlarger(name, content_hash([folder / WEIGHTS]), enlarge, SCALE, 2, device)
