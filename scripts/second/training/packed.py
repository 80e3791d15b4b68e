"""Weights as one small file: half precision, names prefixed by module."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

NAME = "weights.safetensors"
SPARED_BITS = (
    3  # bits of a float16's mantissa that are set to 0: the folder packs to 0.77 of its size, not 0.92
)


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


def shortened(tensor: Tensor) -> Tensor:
    """A float16 tensor whose last mantissa bits are rounded to zero, a relative error of at most 0.4 %.
    Tensors of other types are returned as they are."""
    if tensor.dtype != torch.float16:
        return tensor
    step = 1 << SPARED_BITS
    bits = tensor.contiguous().view(torch.int16).to(torch.int32) & 0xFFFF
    sign, rest = bits & 0x8000, bits & 0x7FFF
    rounded = ((rest + step // 2) & ~(step - 1)).clamp(max=0x7BFF & ~(step - 1))
    whole = sign | torch.where(rest >= 0x7C00, rest, rounded)  # infinities and NaN stay as they are
    return torch.where(whole >= 0x8000, whole - 0x10000, whole).to(torch.int16).view(torch.float16)
