"""The names that the weights of a LoRA go by, and the layers of a model that they mean.

PEFT and diffusers write dotted module names; kohya's scripts write them with underscores, and for SDXL they
write the names of the original `sgm` code. All spellings of a model's layers are derived from its modules,
so a name either means exactly one layer or none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from limelight.unet import UNet
from limelight.unet.weights.original_names import original_names

Role = Literal["down", "up", "mid", "alpha"]


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A layer of a model: `unet`, `text_encoder` or `text_encoder_2`, and the module's name in it."""

    part: str
    module: str

    def __str__(self) -> str:
        return f"{self.part}.{self.module}"


_ROLES: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(r"\.lora_A(\.[\w-]+)?\.weight$"), "down"),
    (re.compile(r"\.lora_B(\.[\w-]+)?\.weight$"), "up"),
    (re.compile(r"(\.lora|\.lora_linear_layer|_lora)\.down\.weight$|\.lora_down\.weight$"), "down"),
    (re.compile(r"(\.lora|\.lora_linear_layer|_lora)\.up\.weight$|\.lora_up\.weight$"), "up"),
    (re.compile(r"\.lora_mid\.weight$"), "mid"),
    (re.compile(r"(\.lora|\.lora_linear_layer|_lora)?\.alpha$"), "alpha"),
)
_OTHER_KINDS = (
    (re.compile(r"dora_scale|lora_magnitude_vector"), "DoRA"),
    (re.compile(r"\.hada_"), "LoHa"),
    (re.compile(r"\.lokr_"), "LoKr"),
    (re.compile(r"\.oft_|\.boft_"), "OFT"),
    (re.compile(r"\.on_input$"), "IA3"),
    (re.compile(r"\.diff(_b)?$|\.[wb]_norm$"), "a difference of whole weights"),
    (re.compile(r"lora_[AB].*\.bias$|lora_(up|down)\.bias$"), "LoRA with biases"),
)
_KOHYA = {"lora_unet_": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder"}
_KOHYA_2 = {"lora_te2_": "text_encoder_2"}
_OLD_ATTENTION = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def other_kind(key: str) -> str | None:
    """What a key belongs to that is no plain LoRA, None if it may be one."""
    return next((kind for pattern, kind in _OTHER_KINDS if pattern.search(key)), None)


def split_key(key: str) -> tuple[str, Role] | None:
    """The name of the layer as the file spells it, without its dress, and what the tensor is for it."""
    for pattern, role in _ROLES:
        if match := pattern.search(key):
            return _undress(key[: match.start()]), role
    return None


def _undress(name: str) -> str:
    """Takes off what PEFT and old versions of diffusers put around a module's name."""
    name = name.removeprefix("base_model.model.")
    if "." not in name:
        return name
    name = name.replace(".processor.", ".")
    stem, _, last = name.rpartition(".")
    if stem.endswith("self_attn") and last in _OLD_ATTENTION:
        return f"{stem}.{_OLD_ATTENTION[last]}"
    return f"{name}.0" if last == "to_out" else name


def spellings(parts: Mapping[str, nn.Module]) -> dict[str, Place]:
    """Every name that a LoRA may have for a linear layer or convolution -> the layer.

    Args:
        parts: `unet`, `text_encoder`, `text_encoder_2`, as far as the model has them.
    """
    found: dict[str, Place] = {}
    for part, root in parts.items():
        for module, layer in root.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                place = Place(part, module)
                for spelling in _unet_spellings(module) if part == "unet" else _text_spellings(part, module):
                    other = found.setdefault(spelling, place)
                    assert other == place, f"{spelling} means {place} and {other}"
        if isinstance(root, UNet):
            weights = [f"{place.module}.weight" for place in set(found.values()) if place.part == part]
            for original, ours in original_names(root.config, weights).items():
                spelling = original.removesuffix(".weight").replace(".", "_")
                found[f"lora_unet_{spelling}"] = Place(part, ours.removesuffix(".weight"))
    return found


def _unet_spellings(module: str) -> Iterator[str]:
    yield f"unet.{module}"
    yield module  # PEFT's own files hold one model and do not say which
    yield f"lora_unet_{module.replace('.', '_')}"


def _text_spellings(part: str, module: str) -> Iterator[str]:
    bare = module.removeprefix("text_model.")
    prefixes = [prefix for prefix, its_part in (_KOHYA | _KOHYA_2).items() if its_part == part]
    for name in {bare, f"text_model.{bare}"}:
        yield f"{part}.{name}"
        yield from (f"{prefix}{name.replace('.', '_')}" for prefix in prefixes)
