"""Reads LoRAs and related adapters from files, and checks them against the model."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from limelight.pipeline.adapters.changes import (
    BiasShift,
    Change,
    Decomposed,
    Hadamard,
    Kronecker,
    LowRank,
    fits,
    without_ones,
)
from limelight.pipeline.adapters.files import lora_file
from limelight.pipeline.adapters.lora_names import (
    Place,
    Role,
    other_kind,
    spellings,
    split_key,
    word_of_bundle,
)
from limelight.pipeline.adapters.scales import Scales, read_scales
from limelight.pipeline.errors import AdapterError
from limelight.pipeline.families import FAMILIES
from limelight.unet.weights.header import TensorEntry, read_header_and_notes
from limelight.unet.weights.tensors import content_hash, read_places, require_finite

_MAX_GROWTH = (
    64  # numbers in a change for each of the weights it is for; a LoRA of rank 128 of a small one has 4
)
_SMALL = 2**20  # numbers that are always allowed


class WordsLeftOut(UserWarning):
    """A LoRA file also contains learned words, which have no effect; the message names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """The changes in one file.

    Attributes:
        sha256: hash of the file, as `sha256sum` prints it and model sites list it.
        layers: weight -> its change.
    """

    path: Path
    sha256: str
    layers: Mapping[Place, Change]

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(sorted({place.part for place in self.layers}))


def read_lora(path: Path, parts: Mapping[str, nn.Module]) -> Lora:
    """Reads the LoRA in a file or folder; every weight in it must belong to a layer of the model.

    The header is checked against the model before any weight is read.

    Args:
        path: a .safetensors file in the layout of PEFT, diffusers, LyCORIS or kohya's scripts, or a folder
            with one.
        parts: the parts of the model: `unet`, `text_encoder`, `text_encoder_2`, if present.

    Raises:
        AdapterError: there is no such file, it is no LoRA, or it is for another model.
        WeightsError: the file is truncated, damaged, or not safetensors.

    Warns:
        WordsLeftOut: it also contains learned words.
    """
    path = lora_file(path)
    entries, notes = read_header_and_notes(path)
    entries = _without_words(path, entries)
    for key in entries:
        if kind := other_kind(key):
            raise AdapterError(
                f"{path} is {kind}, which is not supported: {key}; only LoRA, LoHa, LoKr and DoRA (of linear "
                "layers and convolutions) are"
            )
    keys = _keys(path, entries, parts)
    scales = read_scales(path, notes)
    small = {key: (path, entry) for key, entry in entries.items() if math.prod(entry.shape) == 1}
    ahead = read_places(small) | {
        key: torch.empty(entry.shape, dtype=entry.dtype, device="meta")
        for key, entry in entries.items()
        if key not in small
    }
    _check(path, entries, _layers(path, keys, ahead, scales), parts)
    tensors = read_places({key: (path, entry) for key, entry in entries.items()})
    for key, tensor in tensors.items():
        require_finite(tensor, key, path)
    return Lora(path=path, sha256=content_hash(path), layers=_layers(path, keys, tensors, scales))


def _without_words(path: Path, entries: Mapping[str, TensorEntry]) -> dict[str, TensorEntry]:
    words = dict.fromkeys(word for key in entries if (word := word_of_bundle(key)))
    if words:
        named = ", ".join(repr(word[:40]) for word in [*words][:5])
        warnings.warn(
            f"{path} brings {len(words)} learned words along ({named}), which have no effect; give their own "
            "files with --embedding",
            WordsLeftOut,
            stacklevel=3,
        )
    return {key: entry for key, entry in entries.items() if not word_of_bundle(key)}


def _keys(
    path: Path, entries: Mapping[str, TensorEntry], parts: Mapping[str, nn.Module]
) -> dict[Place, dict[Role, str]]:
    """Weight -> role -> the key of the tensor with that role.

    Raises:
        AdapterError: a key does not belong to this model.
    """
    places = spellings(parts)
    found: dict[Place, dict[Role, str]] = {}
    unknown = []
    for key, entry in entries.items():
        name, role = split_key(key) or (key, None)
        place = places.get(name)
        is_odd = role == "alpha" and math.prod(entry.shape) != 1
        if role is None or place is None or is_odd or role in found.get(place, {}):
            unknown.append(key)
        else:
            found.setdefault(place, {})[role] = key
    if unknown or not found:
        raise AdapterError(_mismatch(path, entries, parts, unknown, []))
    return found


def _layers(
    path: Path,
    keys: Mapping[Place, Mapping[Role, str]],
    tensors: Mapping[str, Tensor],
    scales: Scales,
) -> dict[Place, Change]:
    layers: dict[Place, Change] = {}
    has_magnitudes = any("magnitude" in roles or "dora_scale" in roles for roles in keys.values())
    if scales.uses_dora and not has_magnitudes:
        raise AdapterError(f"{path} says that it is DoRA and has no magnitudes; it is not whole")
    for place, named in keys.items():
        roles = {role: tensors[key] for role, key in named.items()}
        change = _change(path, place, roles, scales)
        if isinstance(change, LowRank) and (roles.keys() & {"down_bias", "up_bias"}):
            layers[place.bias] = BiasShift(
                change.up, roles.get("down_bias"), roles.get("up_bias"), change.scale
            )
        magnitude, lengths = roles.get("magnitude"), roles.get("dora_scale")
        if magnitude is not None:
            layers[place] = Decomposed(change, magnitude, of_inputs=False)
        elif lengths is not None:
            of_inputs = lengths.ndim > 1 and lengths.shape[0] == 1 and lengths.numel() > 1
            layers[place] = Decomposed(change, lengths, of_inputs=of_inputs)
        else:
            layers[place] = change
    return layers


def _change(
    path: Path, place: Place, roles: Mapping[Role, Tensor], scales: Scales
) -> LowRank | Hadamard | Kronecker:
    alpha = float(roles["alpha"]) if "alpha" in roles else None
    kinds = {kind for kind, its in _ROLES_OF.items() if roles.keys() & its}
    if len(kinds) > 1:
        raise AdapterError(f"{path} has {' and '.join(sorted(kinds))} for {place}; needs one of them")
    if kinds == {"LoHa"}:
        need(path, place, roles, "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
        (a, b), (c, d) = ((roles[f"hada_w{i}_a"], roles[f"hada_w{i}_b"]) for i in (1, 2))
        if roles.keys() & {"hada_t1", "hada_t2"}:
            need(path, place, roles, "hada_t1", "hada_t2")
        cores = (roles["hada_t1"], roles["hada_t2"]) if "hada_t1" in roles else None
        return Hadamard(((a, b), (c, d)), cores, scales.of(place, _rank(b), alpha))
    if kinds == {"LoKr"}:
        first, second = (_factors(path, place, roles, f"lokr_w{i}") for i in (1, 2))
        ranked = [pair for pair in (second, first) if len(pair) == 2]
        rank = _rank(ranked[0][1]) if ranked else None
        return Kronecker(first, second, roles.get("lokr_t2"), scales.of(place, rank, alpha))
    need(path, place, roles, "down", "up")
    return LowRank(
        roles["down"], roles["up"], roles.get("mid"), scales.of(place, _rank(roles["down"]), alpha)
    )


_ROLES_OF: Mapping[str, set[str]] = {
    "LoRA": {"down", "up", "mid", "down_bias", "up_bias"},
    "LoHa": {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"},
    "LoKr": {"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"},
}


def _factors(path: Path, place: Place, roles: Mapping[Role, Tensor], stem: str) -> tuple[Tensor, ...]:
    """A matrix, or its two factors."""
    named: dict[str, Tensor] = {str(role): tensor for role, tensor in roles.items()}
    if stem in named and not named.keys() & {f"{stem}_a", f"{stem}_b"}:
        return (named[stem],)
    need(path, place, named, f"{stem}_a", f"{stem}_b")
    return named[f"{stem}_a"], named[f"{stem}_b"]


def need(path: Path, place: Place, roles: Mapping[str, Tensor], *names: str) -> None:
    """Raises AdapterError unless all factors of a change are present."""
    if missing := [name for name in names if name not in roles]:
        raise AdapterError(
            f"{path} has no {' and '.join(missing)} weights for {place}; a LoRA has both, and this is not "
            "whole: copy or download the file again"
        )


def _rank(factor: Tensor) -> int:
    return max(1, factor.shape[0] if factor.ndim else 0)


def _check(
    path: Path,
    entries: Mapping[str, TensorEntry],
    layers: Mapping[Place, Change],
    parts: Mapping[str, nn.Module],
) -> None:
    """Raises AdapterError unless every change fits its weight and has a reasonable size."""
    clashes = [message for place, layer in layers.items() if (message := _clash(place, layer, parts))]
    if clashes:
        raise AdapterError(_mismatch(path, entries, parts, [], clashes))
    size = sum(math.prod(entry.shape) for entry in entries.values())
    changed = sum(place.of(parts).numel() for place in layers)
    if size > max(_SMALL, _MAX_GROWTH * changed):
        raise AdapterError(
            f"{path} holds {size:,} numbers to change {changed:,} weights; at most {_MAX_GROWTH} for each"
        )


def _clash(place: Place, layer: Change, parts: Mapping[str, nn.Module]) -> str | None:
    if place.parameter == "bias" and parts[place.part].get_submodule(place.module).bias is None:
        return f"{place} is given, and this layer has no bias"
    weight = place.of(parts)
    if fits(layer, weight.shape):
        return None
    found = "factors that do not fit together" if layer.shape is None else list(layer.shape)
    return f"{place} is {found} and must be {list(without_ones(tuple(weight.shape)))}"


def _mismatch(
    path: Path,
    tensors: Mapping[str, TensorEntry],
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
            lines += [f"    {name[:300]}" for name in names[:5]]
    return "\n".join(lines)


def _family_in_file(tensors: Mapping[str, TensorEntry]) -> str | None:
    """The family that a LoRA was made for, derived from the width of the context that it reads."""
    for key, tensor in tensors.items():
        name, role = split_key(key) or ("", None)
        if role == "down" and name.endswith(("attn2.to_k", "attn2_to_k")) and len(tensor.shape) >= 2:
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
