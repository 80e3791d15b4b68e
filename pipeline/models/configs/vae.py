"""Reads the configuration of a VAE, as diffusers' `AutoencoderKL` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.configs.schema import (
    Check,
    checked,
    either,
    flag,
    list_of,
    number,
    one_of,
    optional,
    read_object,
    whole,
)

_MAX_LEVELS, _MAX_CHANNELS = 8, 8192
_SIDE = whole(1, 2**20)
_VALUES = list_of(number(-1e6, 1e6), 1, 256)  # one for each channel of the latent
_SCHEMA: Mapping[str, Check] = {
    "in_channels": whole(1, 256),
    "out_channels": whole(1, 256),
    "down_block_types": list_of(one_of("DownEncoderBlock2D", "AttnDownEncoderBlock2D"), 1, _MAX_LEVELS),
    "up_block_types": list_of(one_of("UpDecoderBlock2D", "AttnUpDecoderBlock2D"), 1, _MAX_LEVELS),
    "block_out_channels": list_of(whole(1, _MAX_CHANNELS), 1, _MAX_LEVELS),
    "layers_per_block": whole(1, 16),
    "act_fn": one_of("silu", "swish", "gelu", "mish", "relu"),
    "latent_channels": whole(1, 256),
    "norm_num_groups": whole(1, _MAX_CHANNELS),
    "sample_size": optional(either(_SIDE, list_of(_SIDE, 1, 2))),
    "scaling_factor": number(0, 1e6, above=True),
    "shift_factor": optional(number(-1e6, 1e6)),
    "latents_mean": optional(_VALUES),
    "latents_std": optional(_VALUES),
    "force_upcast": optional(flag),
    "use_quant_conv": flag,
    "use_post_quant_conv": flag,
    "mid_block_add_attention": flag,
}
_DEFAULTS: Mapping[str, Any] = {  # of `AutoencoderKL`; old folders leave out most
    "down_block_types": ["DownEncoderBlock2D"],
    "up_block_types": ["UpDecoderBlock2D"],
    "block_out_channels": [64],
    "latent_channels": 4,
    "norm_num_groups": 32,
    "act_fn": "silu",
}


def read_vae_config(path: Path) -> dict[str, Any]:
    """The arguments of `AutoencoderKL`.

    Raises:
        ModelError: the file is not the configuration of a VAE.
    """
    return check_vae_config(path, read_object(path))


def check_vae_config(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """As `read_vae_config`, for content that has been read."""
    if (name := content.get("_class_name", "AutoencoderKL")) != "AutoencoderKL":
        raise ModelError(f"{path} is of a {str(name)[:80]}; supported: AutoencoderKL")
    config = dict(_DEFAULTS) | checked(path, content, _SCHEMA)
    channels, groups = config["block_out_channels"], config["norm_num_groups"]
    for key in ("down_block_types", "up_block_types"):
        if len(config[key]) != len(channels):
            raise ModelError(
                f"{path}: {key} has {len(config[key])} entries and block_out_channels {len(channels)}; "
                "must be equal"
            )
    for width in channels:
        if width % groups:
            raise ModelError(f"{path}: {width} channels; must be a multiple of norm_num_groups, {groups}")
    for key in ("latents_mean", "latents_std"):
        values = config.get(key)
        if values is not None and len(values) != config["latent_channels"]:
            raise ModelError(
                f"{path}: {key} has {len(values)} values; must have as many as latent_channels, "
                f"{config['latent_channels']}"
            )
    if (config.get("latents_mean") is None) != (config.get("latents_std") is None):
        raise ModelError(f"{path} has one of latents_mean and latents_std; must have both or neither")
    if config.get("latents_std") is not None and min(config["latents_std"]) <= 0:
        raise ModelError(f"{path}: latents_std is {config['latents_std']}; each must be above 0")
    return config | {"_class_name": "AutoencoderKL"}
