"""Low-rank changes of a pipeline's layers: random, merged by hand in float64, and as files name them."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from limelight.unet import UNet
from limelight.unet.weights.original_names import original_names

PARTS = ("unet", "text_encoder", "text_encoder_2")

Change = tuple[Tensor, Tensor, float | None]  # down, up, alpha
Changes = dict[tuple[str, str], Change]  # (part, module as diffusers calls it) -> its change


def layers(pipe: Any) -> Iterator[tuple[str, str, nn.Module]]:
    for part in PARTS:
        if getattr(pipe, part, None) is not None:
            for name, layer in getattr(pipe, part).named_modules():
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    yield part, name, layer


def original_layers(unet: UNet) -> dict[str, str]:
    """Our name of every linear layer and convolution -> its name in the original layout."""
    names = [name for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    originals = original_names(unet.config, [f"{name}.weight" for name in names])
    return {ours.removesuffix(".weight"): name.removesuffix(".weight") for name, ours in originals.items()}


def random_changes(pipe: Any, seed: int, *, only: str = "", rank: int = 2, alpha: float | None) -> Changes:
    """A change of every linear layer and convolution with `only` in its name."""
    generator = torch.Generator().manual_seed(seed)

    def factor(*shape: int) -> Tensor:
        return (0.4 if only else 0.1) * torch.randn(shape, generator=generator)

    changes: Changes = {}
    for part, name, layer in layers(pipe):
        if only in f"{part}.{name}":
            outputs, inputs, *kernel = layer.weight.shape
            down, up = factor(rank, inputs, *kernel), factor(outputs, rank, *[1 for _ in kernel])
            changes[part, name] = (down, up, alpha)
    return changes


def merge(pipe: Any, changes: Changes, weight: float) -> None:
    for (part, name), (down, up, alpha) in changes.items():
        layer = getattr(pipe, part).get_submodule(name)
        product = torch.einsum("or,r...->o...", up.double().flatten(1), down.double())
        scale = 1.0 if alpha is None else alpha / down.shape[0]
        layer.weight.data = (layer.weight.double() + weight * scale * product).float()


def in_file(part: str, name: str) -> str:
    """A module's name in files: with the prefix that text encoders have lost in memory."""
    return name if part == "unet" else f"text_model.{name.removeprefix('text_model.')}"


def peft(changes: Changes) -> dict[str, Tensor]:
    tensors = {}
    for (part, name), (down, up, alpha) in changes.items():
        assert alpha is None
        tensors[f"{part}.{in_file(part, name)}.lora_A.weight"] = down
        tensors[f"{part}.{in_file(part, name)}.lora_B.weight"] = up
    return tensors


def old_diffusers(changes: Changes) -> dict[str, Tensor]:
    """As diffusers wrote attention layers, and those of a text encoder, before it used PEFT."""
    tensors = {}
    for (part, name), (down, up, _) in changes.items():
        if part == "unet":
            stem = name.replace("attn1.", "attn1.processor.").replace("attn2.", "attn2.processor.")
            stem = f"unet.{stem.replace('to_out.0', 'to_out')}_lora"
        else:
            stem = f"{part}.{in_file(part, name)}.lora_linear_layer"
        tensors |= {f"{stem}.down.weight": down, f"{stem}.up.weight": up}
    return tensors


def kohya(
    changes: Changes, names: Mapping[str, str] | None = None, text: str = "lora_te"
) -> dict[str, Tensor]:
    prefixes = {"unet": "lora_unet", "text_encoder": text, "text_encoder_2": "lora_te2"}
    tensors = {}
    for (part, name), (down, up, alpha) in changes.items():
        name = in_file(part, name)
        stem = f"{prefixes[part]}_{(names or {}).get(name, name).replace('.', '_')}"
        tensors |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
        if alpha is not None:
            tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    return tensors
