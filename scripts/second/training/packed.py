"""Weights as one small file: half precision, names prefixed by module."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

NAME = "weights.safetensors"


def save_weights(path: Path, *, metadata: dict[str, str] | None = None, **modules: nn.Module) -> None:
    """Writes the weights of several modules in float16, each name prefixed by its module."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{name}.{key}": value.half().contiguous() if value.is_floating_point() else value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    temporary = path.with_name(f".{path.name}.tmp")
    save_file({key: value.cpu() for key, value in tensors.items()}, temporary, metadata)
    temporary.replace(path)


def load_packed(folder: Path) -> dict[str, dict[str, Tensor]]:
    """Reads each module's weights in float32; an empty dict if there is no file."""
    path = folder / NAME
    return read_weights(path) if path.exists() else {}


def read_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Reads what `save_weights` wrote, each module's weights in float32."""
    found: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(path).items():
        name, _, rest = key.partition(".")
        found.setdefault(name, {})[rest] = value.to(torch.float32) if value.is_floating_point() else value
    return found
