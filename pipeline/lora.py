"""A LoRA: low-rank changes to the weights of a model, read from a file and checked against the model.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1: W + (alpha / r) B A, where A is `down` and B is `up`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.adapter_files import lora_file
from pipeline.errors import AdapterError
from pipeline.families import FAMILIES
from pipeline.lora_names import Place, Role, other_kind, spellings, split_key
from pipeline.lora_scale import Scales, read_scales
from unet.weights import content_hash, read_tensors


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """The change of one linear layer or convolution.

    Attributes:
        down: A, of the shape of a layer with `rank` outputs.
        up: B, from there to the layer's outputs.
        mid: between both, in convolutions whose kernel is decomposed too (LoCon's Tucker form).
        scale: alpha / rank.
    """

    down: Tensor
    up: Tensor
    mid: Tensor | None
    scale: float

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the weights that it changes, without a 1x1 kernel; None if the factors do not fit together."""
        mid = self.down if self.mid is None else self.mid
        if any(factor.ndim < 2 or factor.numel() == 0 for factor in (self.up, self.down, mid)):
            return None
        inner = self.down.shape[0] if self.mid is None else self.mid.shape[1]
        if self.up.shape[1] != mid.shape[0] or inner != self.down.shape[0] or self.up[0, 0].numel() != 1:
            return None
        return _without_ones((self.up.shape[0], self.down.shape[1], *mid.shape[2:]))

    def delta(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """(alpha / r) B A in float32, as weights of `shape`."""
        up, down = (
            self.up.to(device, torch.float32).flatten(1),
            self.down.to(device, torch.float32).flatten(1),
        )
        if self.mid is None:
            product = up @ down
        else:
            product = torch.einsum("oi,ij...,jk->ok...", up, self.mid.to(device, torch.float32), down)
        return self.scale * product.reshape(tuple(shape))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """What a file changes.

    Attributes:
        sha256: of the file, as `sha256sum` prints it and model sites list it.
    """

    path: Path
    sha256: str
    layers: Mapping[Place, LoraLayer]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(sorted({place.part for place in self.layers}))


def read_lora(path: Path, parts: Mapping[str, nn.Module]) -> Lora:
    """The LoRA in a file or folder, every one of whose weights has its place in the model.

    Args:
        path: a .safetensors file in the layout of PEFT, diffusers or kohya's scripts, or a folder with one.
        parts: `unet`, `text_encoder`, `text_encoder_2`, as far as the model has them.

    Raises:
        AdapterError: there is no such file, it is no LoRA, or it is one for another model.
        WeightsError: the file is truncated, damaged, or not safetensors.
    """
    path = lora_file(path)
    tensors = read_tensors(path)
    for key in tensors:
        if kind := other_kind(key):
            raise AdapterError(
                f"{path} is {kind}, which is not supported: {key}; "
                "only LoRA (of linear layers and convolutions) is"
            )
    places = spellings(parts)
    found: dict[Place, dict[Role, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        name, role = split_key(key) or (key, None)
        place = places.get(name)
        is_odd = role == "alpha" and tensor.numel() != 1
        if role is None or place is None or is_odd or role in found.get(place, {}):
            unknown.append(key)
        else:
            found.setdefault(place, {})[role] = tensor
    scales = read_scales(path)
    layers = {place: _layer(path, place, roles, scales) for place, roles in found.items() if not unknown}
    clashes = [message for place, layer in layers.items() if (message := _clash(place, layer, parts))]
    if unknown or clashes or not layers:
        raise AdapterError(_mismatch(path, tensors, parts, unknown, clashes))
    return Lora(path=path, sha256=content_hash(path), layers=layers)


def _layer(path: Path, place: Place, roles: Mapping[Role, Tensor], scales: Scales) -> LoraLayer:
    missing = [role for role in ("down", "up") if role not in roles]
    if missing:
        raise AdapterError(
            f"{path} has no {' and '.join(missing)} weights for {place}; a LoRA has both, and this is not "
            "whole: copy or download the file again"
        )
    rank = max(1, roles["down"].shape[0] if roles["down"].ndim else 0)
    alpha = float(roles["alpha"]) if "alpha" in roles else None
    return LoraLayer(roles["down"], roles["up"], roles.get("mid"), scales.of(place, rank, alpha))


def _clash(place: Place, layer: LoraLayer, parts: Mapping[str, nn.Module]) -> str | None:
    weight = parts[place.part].get_submodule(place.module).weight
    assert isinstance(weight, Tensor)
    expected = _without_ones(tuple(weight.shape))
    if layer.shape == expected:
        return None
    found = "factors that do not fit together" if layer.shape is None else list(layer.shape)
    return f"{place} is {found} and must be {list(expected)}"


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if all(size == 1 for size in shape[2:]) else shape


def _mismatch(
    path: Path,
    tensors: Mapping[str, Tensor],
    parts: Mapping[str, nn.Module],
    unknown: Sequence[str],
    clashes: Sequence[str],
) -> str:
    if not tensors:
        return f"{path} holds no weights"
    found, needed = _family_in_file(tensors), _family_of_model(parts)
    lines = [
        f"{path} is a LoRA for {found}; this model is {needed}"
        if found not in (None, needed)
        else f"{path} does not fit this model ({needed})"
    ]
    for kind, names in (("unknown", unknown), ("of another shape", clashes)):
        if names:
            lines += [f"  {len(names):,} of {len(tensors):,} weights {kind}, the first {min(5, len(names))}:"]
            lines += [f"    {name}" for name in names[:5]]
    return "\n".join(lines)


def _family_in_file(tensors: Mapping[str, Tensor]) -> str | None:
    """The family that a LoRA was made for, by the width of the context that it reads."""
    for key, tensor in tensors.items():
        name, role = split_key(key) or ("", None)
        if role == "down" and name.endswith(("attn2.to_k", "attn2_to_k")) and tensor.ndim >= 2:
            return _family_of_width(tensor.shape[1])
    is_double = any(key.startswith(("lora_te2_", "text_encoder_2.")) for key in tensors)
    return "sdxl" if is_double else None


def _family_of_model(parts: Mapping[str, nn.Module]) -> str:
    for name, layer in parts["unet"].named_modules():
        if name.endswith("attn2.to_k") and isinstance(layer, nn.Linear):
            return _family_of_width(layer.in_features)
    return "one without cross-attention"


def _family_of_width(width: int) -> str:
    names = {family.context_dim: family.name for family in FAMILIES}
    return f"{names.get(width, 'another family')} (context of {width})"
