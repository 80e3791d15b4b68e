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
        if part == "unet":
            for ours, original in original_names(root):
                found[f"lora_unet_{original.replace('.', '_')}"] = Place(part, ours)
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


_IN_RESNET = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE_BLOCKS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_out": "out.2",
}


def original_names(unet: nn.Module) -> Iterator[tuple[str, str]]:
    """Our name and the original code's for every linear layer and convolution of a U-Net.

    The original code numbers what it does on the way down and on the way up, one number for a residual block
    with its attention.
    """
    blocks = dict(_OUTSIDE_BLOCKS) | dict(_numbered_blocks(unet))
    for module, layer in unet.named_modules():
        if not isinstance(layer, nn.Linear | nn.Conv2d):
            continue
        prefix = next((p for p in blocks if module == p or module.startswith(f"{p}.")), None)
        if prefix is not None:
            rest = module.removeprefix(prefix).removeprefix(".")
            rest = _IN_RESNET.get(rest, rest)
            yield module, f"{blocks[prefix]}.{rest}".removesuffix(".")


def _numbered_blocks(unet: nn.Module) -> Iterator[tuple[str, str]]:
    children = dict(unet.named_modules())
    number = 1  # input_blocks.0 is conv_in
    for i in range(len(list(children["down_blocks"].children()))):
        block = f"down_blocks.{i}"
        for j in range(len(list(children[f"{block}.resnets"].children()))):
            yield f"{block}.resnets.{j}", f"input_blocks.{number}.0"
            yield f"{block}.attentions.{j}", f"input_blocks.{number}.1"
            number += 1
        if f"{block}.downsamplers.0" in children:
            yield f"{block}.downsamplers.0.conv", f"input_blocks.{number}.0.op"
            number += 1
    yield "mid_block.resnets.0", "middle_block.0"
    yield "mid_block.attentions.0", "middle_block.1"
    yield "mid_block.resnets.1", "middle_block.2"
    number = 0
    for i in range(len(list(children["up_blocks"].children()))):
        block = f"up_blocks.{i}"
        has_attention = f"{block}.attentions.0" in children
        for j in range(len(list(children[f"{block}.resnets"].children()))):
            yield f"{block}.resnets.{j}", f"output_blocks.{number}.0"
            yield f"{block}.attentions.{j}", f"output_blocks.{number}.1"
            number += 1
        upsampler = f"output_blocks.{number - 1}.{2 if has_attention else 1}"
        yield f"{block}.upsamplers.0", upsampler
