"""The VAE of a single file: derives its diffusers config from shapes, and maps its names.

Source: the `AutoencoderKL` of Rombach et al. 2022, arXiv:2112.10752.
"""

import re
from collections.abc import Mapping
from typing import Any

from limelight.pipeline.errors import ModelError
from limelight.unet.weights.header import TensorEntry

PREFIX = "first_stage_model."
_CHANNELS = re.compile(r"encoder\.down\.(\d+)\.block\.0\.conv1\.weight")
_BLOCK = re.compile(r"(encoder|decoder)\.(down|up)\.(\d+)\.(block\.(\d+)|(?:down|up)sample)\.(.+)")
_MID = re.compile(r"(encoder|decoder)\.mid\.(block|attn)_(\d+)\.(.+)")
# Some training tools of 2023 and 2024 used diffusers' names for the VAE, new or old, and LDM's for the rest.
_ATTENTION = {
    **{"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"},
    **{"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"},
}


def vae_config(
    entries: Mapping[str, TensorEntry], *, latent_size: int, scaling_factor: float
) -> dict[str, Any]:
    """The arguments of diffusers' `AutoencoderKL`.

    Args:
        entries: the VAE's tensors, by their names without prefix.
        latent_size: positions along one side of the model's latents.
        scaling_factor: the factor from the VAE's latents to the U-Net's.

    Raises:
        ModelError: a weight that the config is read from is missing.
    """
    channels = _channels(entries)
    num_resnets = len({name.split(".")[4] for name in entries if name.startswith("encoder.down.0.block.")})
    return {
        "_class_name": "AutoencoderKL",
        "in_channels": _shape(entries, "encoder.conv_in.weight")[1],
        "out_channels": _shape(entries, "decoder.conv_out.weight")[0],
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "block_out_channels": channels,
        "layers_per_block": num_resnets,
        "latent_channels": _shape(entries, "decoder.conv_in.weight")[1],
        "mid_block_add_attention": any(name.startswith("decoder.mid.attn_1.") for name in entries),
        "use_quant_conv": "quant_conv.weight" in entries,
        "use_post_quant_conv": "post_quant_conv.weight" in entries,
        "norm_num_groups": 32,
        "act_fn": "silu",
        "sample_size": latent_size * 2 ** (len(channels) - 1),
        "scaling_factor": scaling_factor,
    }


def vae_weights(entries: Mapping[str, TensorEntry]) -> dict[str, TensorEntry]:
    """The location of each weight of the diffusers module."""
    num_levels = len(_channels(entries))
    found = {}
    for name, entry in entries.items():
        ours = _name(name, num_levels)
        is_attention = ".attentions." in ours
        found[ours] = entry.without_trailing_ones() if is_attention else entry
    return found


def is_left_out(name: str) -> bool:
    """Whether a weight was only needed to train the VAE."""
    return name.startswith("loss.") or name.startswith("model_ema.")


def _name(name: str, num_levels: int) -> str:
    if match := _BLOCK.fullmatch(name):
        half, way, level, _, resnet, rest = match.groups()
        i = int(level) if way == "down" else num_levels - 1 - int(level)
        part = f"{way}samplers.0" if resnet is None else f"resnets.{resnet}"
        return f"{half}.{way}_blocks.{i}.{part}.{rest.replace('nin_shortcut', 'conv_shortcut')}"
    if match := _MID.fullmatch(name):
        half, kind, number, rest = match.groups()
        if kind == "block":
            return f"{half}.mid_block.resnets.{int(number) - 1}.{rest}"
        layer, _, weight = rest.rpartition(".")
        return f"{half}.mid_block.attentions.{int(number) - 1}.{_ATTENTION.get(layer, layer)}.{weight}"
    return name.replace(".norm_out.", ".conv_norm_out.")


def _channels(entries: Mapping[str, TensorEntry]) -> list[int]:
    levels = {
        int(match[1]): entry.shape[0]
        for name, entry in entries.items()
        if (match := _CHANNELS.fullmatch(name))
    }
    if not levels or sorted(levels) != list(range(len(levels))):
        raise ModelError(f"{PREFIX}encoder.down has levels {sorted(levels)}; a VAE has them from 0 on")
    return [levels[i] for i in sorted(levels)]


def _shape(entries: Mapping[str, TensorEntry], name: str) -> tuple[int, ...]:
    if name not in entries or len(entries[name].shape) != 4:
        raise ModelError(f"{PREFIX}{name} is missing or no convolution; a VAE has it")
    return entries[name].shape
