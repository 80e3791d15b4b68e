"""A LoRA: low-rank changes to the weights of a model, read from a file and checked against the model.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1: W + (alpha / r) B A, where A is `down` and B is `up`.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limelight.pipeline.adapters.files import lora_file
from limelight.pipeline.adapters.lora_names import Place, Role, other_kind, spellings, split_key
from limelight.pipeline.errors import AdapterError
from limelight.pipeline.families import FAMILIES
from limelight.unet.weights.header import read_header_and_notes
from limelight.unet.weights.merge import Delta
from limelight.unet.weights.tensors import content_hash, read_tensors

_METADATA = "lora_adapter_metadata"  # diffusers' key beside the tensors: PEFT's configuration of every part
_MODULE = re.compile(r"[\w.]+")  # PEFT takes regular expressions, and files have names of modules
_PARTS = ("text_encoder_2", "text_encoder", "unet")


@dataclass(frozen=True, slots=True)
class Scales:
    """PEFT's configurations, by part; empty where the file has none, and alpha is then the rank.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1; Kalajdzievski 2023, arXiv:2312.03732, for rsLoRA.
    """

    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, place: Place, rank: int, alpha: float | None) -> float:
        """What the product of both factors is multiplied with.

        Args:
            alpha: as stored beside the factors, which goes before every configuration.
        """
        config = self.configs.get(place.part) or self.configs.get("", {})
        if alpha is None:
            alpha = float(config.get("lora_alpha", rank))
            for pattern, value in (config.get("alpha_pattern") or {}).items():
                if place.module == pattern or place.module.endswith(f".{pattern}"):
                    alpha = float(value)
                    break
        return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def read_scales(path: Path) -> Scales:
    """What the file, or an `adapter_config.json` beside it, says of the scale.

    Raises:
        AdapterError: it cannot be read, or asks for something else than LoRA.
    """
    beside = path.parent / "adapter_config.json"
    text = read_header_and_notes(path)[1].get(_METADATA)
    if text is None and path.name == "adapter_model.safetensors" and beside.is_file():
        text, source = beside.read_text(encoding="utf-8"), beside
    else:
        source = path
    if text is None:
        return Scales()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"{source}: the configuration of the LoRA is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise AdapterError(
            f"{source}: the configuration of the LoRA is a {type(values).__name__}; must be an object"
        )
    configs: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        part = next((part for part in _PARTS if key.startswith(f"{part}.")), "")
        configs.setdefault(part, {})[key.removeprefix(f"{part}.") if part else key] = value
    for config in configs.values():
        _check(source, config)
    return Scales(configs)


def _check(source: Path, config: Mapping[str, Any]) -> None:
    if config.get("use_dora"):
        raise AdapterError(f"{source} is DoRA, which is not supported: use_dora; only LoRA is")
    patterns = config.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or not all(_MODULE.fullmatch(pattern) for pattern in patterns):
        raise AdapterError(f"{source}: alpha_pattern is {patterns!r}; must have the names of modules")
    for alpha in (config.get("lora_alpha", 1), *patterns.values()):
        if not isinstance(alpha, int | float) or not math.isfinite(alpha):
            raise AdapterError(f"{source}: alpha is {alpha!r}; must be a finite number")


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

    def times(self, weight: float) -> Delta:
        """`weight` times `delta`."""
        return lambda shape, device: weight * self.delta(shape, device)


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
