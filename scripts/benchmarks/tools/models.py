"""U-Nets to measure: diffusers' and ours, with the same weights in the same memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limelight.unet import DeepCacheUNet
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.weights.load import parameters_on_meta
from scripts.benchmarks.tools.process import ROOT

SD1: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
SDXL: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
DEFAULT = ROOT / "pipeline" / "default_model" / "unet"
CONFIGS: dict[str, dict[str, Any] | Path] = {"default": DEFAULT, "sd1": SD1, "sdxl": SDXL}
NAMES = {"default": "The default model", "sd1": "SD1.5's size", "sdxl": "SDXL's size"}
GIB = {"default": 0.04, "sd1": 3.2, "sdxl": 9.6}  # of the weights in float32


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a guided prediction: two rows of one latent.

    Attributes:
        added: SDXL's `text_embeds` and `time_ids`; empty for others.
    """

    x: Tensor  # b c h w
    timesteps: Tensor  # b
    context: Tensor  # b m c
    added: Mapping[str, Tensor]

    @property
    def pooled(self) -> Tensor | None:
        return self.added.get("text_embeds")

    @property
    def size_ids(self) -> Tensor | None:
        return self.added.get("time_ids")


def diffusers_unet(name: str) -> Any:
    """diffusers' U-Net: of the default model, or with random weights."""
    from diffusers import UNet2DConditionModel

    config = CONFIGS[name]
    if isinstance(config, Path):
        return UNet2DConditionModel.from_pretrained(config).eval()
    unet = empty_diffusers_unet(config)
    pool = torch.rand(2**20, generator=torch.Generator().manual_seed(0)) - 0.5
    state = {key: _weight(key, each.shape, pool) for key, each in unet.state_dict().items()}
    unet.load_state_dict(state, assign=True)
    return unet


def empty_diffusers_unet(config: Mapping[str, Any]) -> Any:
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(**config).eval()


def our_unet(config: Mapping[str, Any], state: Mapping[str, Tensor]) -> DeepCacheUNet:
    """Ours, around the tensors of `state`."""
    with parameters_on_meta():
        unet = DeepCacheUNet(read_config(dict(config))).eval()
    unet.load_state_dict(dict(state), assign=True)
    return unet


def inputs(name: str, pixels: int) -> Inputs:
    config, factor = CONFIGS[name], 8
    stored = json.loads((config / "config.json").read_text()) if isinstance(config, Path) else config
    generator, side = torch.Generator().manual_seed(0), pixels // factor
    x = torch.randn(1, stored.get("in_channels", 4), side, side, generator=generator).repeat(2, 1, 1, 1)
    context = torch.randn(2, 77, stored["cross_attention_dim"], generator=generator)
    added = {}
    if name == "sdxl":
        sizes = torch.tensor([pixels, pixels, 0, 0, pixels, pixels]).repeat(2, 1)
        added = {"text_embeds": torch.randn(2, 1280, generator=generator), "time_ids": sizes}
    return Inputs(x, torch.tensor([500, 500]), context, added)


def _weight(name: str, shape: torch.Size, pool: Tensor) -> Tensor:
    """Random numbers from `pool`, over and over: drawing 860 million takes minutes."""
    count = shape.numel()
    values = pool.repeat(-(-count // len(pool)))[:count].view(shape)
    if len(shape) > 1:
        return values * 2 * (shape[0] / count) ** 0.5
    return values * 0.1 + name.endswith("weight")
