"""Maps the names of a LoRA's weights to the layers of a model.

PEFT and diffusers write dotted module names; kohya's scripts write them with underscores, and for SDXL they
write the names of the original `sgm` code. All spellings of a model's layers are derived from its modules,
so a name either means exactly one layer or none.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn

from limelight.unet import UNet
from limelight.unet.weights.original_names import original_names

Role = str  # the role of a tensor in its layer: `down`, `up`, `alpha`, `hada_w1_a` and so on


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A weight of a model: its part (`unet`, `text_encoder` or `text_encoder_2`), module and parameter."""

    part: str
    module: str
    parameter: Literal["weight", "bias"] = "weight"

    def __str__(self) -> str:
        return f"{self.part}.{self.module}{'.bias' if self.parameter == 'bias' else ''}"

    @property
    def name(self) -> str:
        """The weight's name in its part."""
        return f"{self.module}.{self.parameter}"

    @property
    def bias(self) -> "Place":
        """The bias of the same module."""
        return replace(self, parameter="bias")

    def of(self, parts: Mapping[str, nn.Module]) -> Tensor:
        """The weight itself."""
        weight = getattr(parts[self.part].get_submodule(self.module), self.parameter)
        assert isinstance(weight, Tensor)
        return weight


_PRODUCTS = ("hada_w1", "hada_w2", "lokr_w1", "lokr_w2")
_ROLES: tuple[tuple[re.Pattern[str], Role], ...] = (
    (re.compile(r"\.lora_A(\.[\w-]+)?\.weight$"), "down"),
    (re.compile(r"\.lora_B(\.[\w-]+)?\.weight$"), "up"),
    (re.compile(r"(\.lora|\.lora_linear_layer|_lora)\.down\.weight$|\.lora_down\.weight$"), "down"),
    (re.compile(r"(\.lora|\.lora_linear_layer|_lora)\.up\.weight$|\.lora_up\.weight$"), "up"),
    (re.compile(r"\.lora_mid\.weight$"), "mid"),
    (re.compile(r"(\.lora|\.lora_linear_layer|_lora)?\.alpha$"), "alpha"),
    (re.compile(r"\.lora_A(\.[\w-]+)?\.bias$|\.lora_down\.bias$"), "down_bias"),
    (re.compile(r"\.lora_B(\.[\w-]+)?\.bias$|\.lora_up\.bias$"), "up_bias"),
    (re.compile(r"\.lora_magnitude_vector(\.[\w-]+)?(\.weight)?$"), "magnitude"),
    (re.compile(r"\.dora_scale$"), "dora_scale"),
    *((re.compile(rf"\.{role}$"), role) for role in ("hada_t1", "hada_t2", "lokr_t2", "lokr_w1", "lokr_w2")),
    *((re.compile(rf"\.{stem}_{x}$"), f"{stem}_{x}") for stem in _PRODUCTS for x in "ab"),
)
_OTHER_KINDS = (
    (re.compile(r"\.oft_|\.boft_"), "OFT"),
    (re.compile(r"\.on_input$"), "IA3"),
    (re.compile(r"\.diff(_b)?$|\.[wb]_norm$"), "a difference of whole weights"),
)
_BUNDLE = "bundle_emb."  # learned words, of a LoRA that was trained with them
_KOHYA = {"lora_unet_": "unet", "lora_te_": "text_encoder", "lora_te1_": "text_encoder"}
_KOHYA_2 = {"lora_te2_": "text_encoder_2"}
_DOTTED = {  # OneTrainer, ComfyUI
    "text_encoder": ("lora_te", "lora_te1", "clip_l", "text_encoders.clip_l.transformer", "text_encoder_1"),
    "text_encoder_2": ("lora_te2", "clip_g", "text_encoders.clip_g.transformer"),
}
_OLD_ATTENTION = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}


def word_of_bundle(key: str) -> str | None:
    """The learned word that a tensor belongs to; None if it belongs to a layer."""
    return key.removeprefix(_BUNDLE).rpartition(".")[0] or key if key.startswith(_BUNDLE) else None


def other_kind(key: str) -> str | None:
    """The type of adapter that a key shows, other than LoRA; None if it may be a LoRA's."""
    return next((kind for pattern, kind in _OTHER_KINDS if pattern.search(key)), None)


def split_key(key: str) -> tuple[str, Role] | None:
    """The name of the layer in the file, without prefixes and suffixes, and the role of the tensor."""
    for pattern, role in _ROLES:
        if match := pattern.search(key):
            return _undress(key[: match.start()]), role
    return None


def _undress(name: str) -> str:
    """Removes what PEFT and old versions of diffusers add to a module's name."""
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
        parts: the parts of the model: `unet`, `text_encoder`, `text_encoder_2`, if present.
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
                module = original.removesuffix(".weight")
                for spelling in _unet_spellings(module):
                    found[spelling] = Place(part, ours.removesuffix(".weight"))
    return found


def _unet_spellings(module: str) -> Iterator[str]:
    yield f"unet.{module}"
    yield module  # PEFT's own files hold one model and do not name it
    yield f"lora_unet.{module}"
    yield f"diffusion_model.{module}"  # ComfyUI
    yield f"model.diffusion_model.{module}"
    for prefix in ("lora_unet_", "lycoris_unet_", "lycoris_"):
        yield f"{prefix}{module.replace('.', '_')}"


def _text_spellings(part: str, module: str) -> Iterator[str]:
    bare = module.removeprefix("text_model.")
    prefixes = [prefix for prefix, its_part in (_KOHYA | _KOHYA_2).items() if its_part == part]
    for name in {bare, f"text_model.{bare}"}:
        yield f"{part}.{name}"
        for prefix in _DOTTED[part]:
            yield f"{prefix}.{name}"
        yield from (f"{prefix}{name.replace('.', '_')}" for prefix in prefixes)
