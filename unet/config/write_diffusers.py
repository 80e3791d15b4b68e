"""Writes the config of diffusers' `UNet2DConditionModel`; the inverse of `read_diffusers`."""

from typing import Any

from limelight.unet.config.unet_config import LevelConfig, UNetConfig


def describe(config: UNetConfig) -> dict[str, Any]:
    """The content of a `config.json` that describes `config`; `read_config` reads it back."""
    down, mid, up = config.down, config.mid, config.up
    added = config.added
    content: dict[str, Any] = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": _one_or_two(config.sample_size),
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "block_out_channels": [level.channels for level in down],
        "layers_per_block": _one_or_list([level.num_resnets for level in down]),
        "down_block_types": ["CrossAttnDownBlock2D" if level.depths else "DownBlock2D" for level in down],
        "mid_block_type": None
        if mid is None
        else "UNetMidBlock2DCrossAttn"
        if mid.depths
        else "UNetMidBlock2D",
        "up_block_types": ["CrossAttnUpBlock2D" if level.depths else "UpBlock2D" for level in up],
        "only_cross_attention": _one_or_list([level.only_cross_attention for level in down]),
        "dropout": config.dropout,
        "act_fn": config.act_fn,
        "norm_num_groups": config.norm_num_groups,
        "norm_eps": config.norm_eps,
        "cross_attention_dim": config.context_dim,
        "attention_head_dim": _one_or_list([level.num_heads for level in down]),  # the number, not the size
        "use_linear_projection": config.linear_projection,
        "resnet_time_scale_shift": "scale_shift" if config.time_scale_shift else "default",
        "time_embedding_dim": None
        if config.time_embed_dim == 4 * down[0].channels
        else config.time_embed_dim,
        "time_cond_proj_dim": config.time_cond_dim,
        "flip_sin_to_cos": config.flip_sin_to_cos,
        "freq_shift": config.freq_shift,
        "conv_in_kernel": config.conv_in_kernel,
        "conv_out_kernel": config.conv_out_kernel,
        "addition_embed_type": None if added is None else "text_time",
        "addition_time_embed_dim": None if added is None else added.size_embed_dim,
        "projection_class_embeddings_input_dim": None if added is None else added.input_dim,
    }
    return content | _depths(config)


def _depths(config: UNetConfig) -> dict[str, Any]:
    """Transformer blocks: one number per level, or lists for down and up if the two differ."""
    down = [_depth(level) for level in config.down]
    up = [_depth(level) for level in config.up]
    if config.mid is not None and config.mid.depths:
        down[-1] = (
            down[-1] or config.mid.depths[0]
        )  # diffusers takes the middle's depth from the lowest level
    joint = [a or b or 1 for a, b in zip(down, reversed(up), strict=True)]
    agree = all(d in (None, j) and u in (None, j) for d, j, u in zip(down, joint, up[::-1], strict=True))
    if agree and all(isinstance(depth, int) for depth in joint):
        return {"transformer_layers_per_block": _one_or_list(joint)}
    return {
        "transformer_layers_per_block": [1 if depth is None else depth for depth in down],
        "reverse_transformer_layers_per_block": [1 if depth is None else depth for depth in up],
    }


def _depth(level: LevelConfig) -> Any:
    """One number for a level whose layers are alike, None for one without attention."""
    alike = len(set(level.depths)) == 1
    return (level.depths[0] if alike else list(level.depths)) if level.depths else None


def _one_or_list(values: list[Any]) -> Any:
    return values[0] if len(set(values)) == 1 else values


def _one_or_two(size: tuple[int, int] | None) -> Any:
    return None if size is None else size[0] if size[0] == size[1] else list(size)
