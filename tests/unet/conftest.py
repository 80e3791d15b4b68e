"""Tiny U-Nets of every variant, with random weights, made and saved by diffusers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

POOLED = 16  # features of the pooled text embedding
ATTENDING = ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
SD1: dict[str, Any] = {
    "block_out_channels": (32, 48, 64),
    "down_block_types": ATTENDING,
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 24,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
SD2 = SD1 | {"use_linear_projection": True, "attention_head_dim": (2, 3, 4), "upcast_attention": True}
SDXL = SD2 | {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 3),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": POOLED + 6 * 8,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "sd1": SD1,
    "sd1-four-levels": {
        **SD1,
        "block_out_channels": (16, 32, 32, 32),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    },
    "sd2": SD2,
    "sdxl": SDXL,
    "sdxl-refiner": SDXL
    | {
        "block_out_channels": (16, 32, 32, 32),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (1, 2, 2, 4),
        "transformer_layers_per_block": 2,  # 4 in the published one, and the same in all levels
        "projection_class_embeddings_input_dim": POOLED + 5 * 8,
    },
    "inpainting": SD1 | {"in_channels": 9},
    "instruct-pix2pix": SD1 | {"in_channels": 8},
    "lcm": SD1 | {"time_cond_proj_dim": 20},
    "small-sd": SD1 | {"layers_per_block": 1},
    "tiny-sd": SD1
    | {
        "layers_per_block": 1,
        "mid_block_type": None,
        "down_block_types": ("CrossAttnDownBlock2D",) * 3,
        "up_block_types": ("CrossAttnUpBlock2D",) * 3,
    },
    "mid-without-attention": SDXL | {"mid_block_type": "UNetMidBlock2D"},
    "nested-depths": SDXL  # as SSD-1B and Vega are
    | {
        "transformer_layers_per_block": [0, [2, 2], [3, 4]],
        "reverse_transformer_layers_per_block": [[4, 4, 5], [2, 1, 1], 1],
    },
    "one-level-with-depth-zero": SD1 | {"transformer_layers_per_block": (1, 0, 1)},
    "layers-per-level": SD1 | {"layers_per_block": (1, 2, 3)},
    "only-cross-attention": SD1 | {"only_cross_attention": (True, False, False)},
    "scale-shift": SD1 | {"resnet_time_scale_shift": "scale_shift"},
    "gelu-and-odd-rest": SD1
    | {
        "act_fn": "gelu",
        "norm_eps": 1e-6,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "conv_in_kernel": 1,
        "conv_out_kernel": 5,
        "time_embedding_dim": 40,
        "out_channels": 6,
    },
    "dropout": SD1 | {"dropout": 0.3},
}


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Variant's name -> folder to which diffusers has saved such a U-Net with random weights."""
    from diffusers import UNet2DConditionModel

    folders: dict[str, Path] = {}

    def save(variant: str) -> Path:
        if variant not in folders:
            torch.manual_seed(0)
            folders[variant] = tmp_path_factory.mktemp(variant)
            UNet2DConditionModel(**VARIANTS[variant]).save_pretrained(folders[variant])
        return folders[variant]

    return save


@pytest.fixture(scope="session")
def contents() -> dict[str, dict[str, Any]]:
    """Variant's name -> the content of its `config.json`."""
    return VARIANTS


@pytest.fixture
def model(saved: Callable[[str], Path]) -> Any:
    """One of diffusers' own."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(saved("sd1"))


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def inputs() -> Callable[..., tuple[dict[str, Tensor], dict[str, Any]]]:
    """A config -> random arguments for our U-Net, and the same for diffusers'."""

    def make(config: Any, batch: int = 2, height: int = 16, width: int = 16) -> tuple[dict, dict]:
        random = torch.Generator().manual_seed(1)
        x = torch.randn(batch, config.in_channels, height, width, generator=random)
        timesteps = torch.linspace(981, 3.25, batch)
        context = torch.randn(batch, 7, config.context_dim, generator=random)
        ours: dict[str, Tensor] = {"x": x, "timesteps": timesteps, "context": context}
        theirs: dict[str, Any] = {"sample": x, "timestep": timesteps, "encoder_hidden_states": context}
        if config.added is not None:
            num_sizes = (config.added.input_dim - POOLED) // config.added.size_embed_dim
            ours["pooled"] = torch.randn(batch, POOLED, generator=random)
            ours["size_ids"] = torch.randint(0, 2048, (batch, num_sizes), generator=random)
            theirs["added_cond_kwargs"] = {"text_embeds": ours["pooled"], "time_ids": ours["size_ids"]}
        if config.time_cond_dim is not None:
            ours["time_cond"] = torch.randn(batch, config.time_cond_dim, generator=random)
            theirs["timestep_cond"] = ours["time_cond"]
        return ours, theirs

    return make
