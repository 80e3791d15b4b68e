"""Checks the inputs of a U-Net before anything is computed."""

import torch
from torch import Tensor

from limelight.attention import AttentionRuntime
from limelight.unet.config.unet_config import AddedConfig, UNetConfig


def check_inputs(
    config: UNetConfig,
    dtype: torch.dtype,
    x: Tensor,
    timesteps: Tensor,
    context: Tensor | None,
    pooled: Tensor | None,
    size_ids: Tensor | None,
    attention: AttentionRuntime | None,
    time_cond: Tensor | None,
) -> None:
    """Compares the arguments of `UNet.forward` with each other and with the model.

    Args:
        dtype: that of the weights.
    Raises:
        ValueError: states what was given, what is needed and how to get it.
    """
    if x.ndim != 4 or x.shape[1] != config.in_channels:
        raise ValueError(
            f"x is {tuple(x.shape)}; needs (batch, {config.in_channels}, height, width); "
            "most models take 4 channels, inpainting ones 9, image-editing ones 8"
        )
    batch = x.shape[0]
    if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(f"x is {x.dtype} and the weights are {dtype}; must be equal: x.to(unet.dtype)")
    if timesteps.shape != (batch,):
        raise ValueError(
            f"timesteps is {tuple(timesteps.shape)}; needs one per row, ({batch},): timesteps.expand({batch})"
        )
    if context is None and (attention is None or attention.context is None):
        raise ValueError("context is missing; give it, or an attention runtime with its keys and values")
    if context is not None and (
        context.ndim != 3 or context.shape[0] != batch or context.shape[2] != config.context_dim
    ):
        raise ValueError(
            f"context is {tuple(context.shape)}; needs ({batch}, tokens, {config.context_dim}), "
            "from the text encoder that belongs to this model"
        )
    if config.time_cond_dim is None and time_cond is not None:
        raise ValueError("time_cond is given; this U-Net takes none (LCM's do): leave it out")
    if config.time_cond_dim is not None:
        _check_rows("time_cond", time_cond, batch, "guidance_embedding makes it")
        if time_cond is not None and time_cond.shape[1] != config.time_cond_dim:
            raise ValueError(f"time_cond has {time_cond.shape[1]} features; needs {config.time_cond_dim}")
    if config.added is None:
        for name, value in (("pooled", pooled), ("size_ids", size_ids)):
            if value is not None:
                raise ValueError(f"{name} is given; this U-Net takes none (SDXL's do): leave it out")
    else:
        _check_added(config.added, batch, pooled, size_ids)


def _check_added(added: AddedConfig, batch: int, pooled: Tensor | None, size_ids: Tensor | None) -> None:
    pooled = _check_rows("pooled", pooled, batch, "the second text encoder of SDXL makes it")
    size_ids = _check_rows("size_ids", size_ids, batch, "original size, crop and target size in pixels")
    total = pooled.shape[1] + size_ids.shape[1] * added.size_embed_dim
    if total != added.input_dim:
        raise ValueError(
            f"pooled has {pooled.shape[1]} features and there are {size_ids.shape[1]} size_ids of "
            f"{added.size_embed_dim}, {total} in all; needs {added.input_dim} "
            "(SDXL base: 1280 features and 6 sizes, refiner: 1280 and 5)"
        )


def _check_rows(name: str, value: Tensor | None, batch: int, remedy: str) -> Tensor:
    if value is None:
        raise ValueError(f"{name} is missing; this U-Net needs it: {remedy}")
    if value.ndim != 2 or value.shape[0] != batch:
        raise ValueError(f"{name} is {tuple(value.shape)}; needs {batch} rows, as many as x: {remedy}")
    return value
