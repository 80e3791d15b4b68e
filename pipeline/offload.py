"""Keeps a model in main memory and brings each part to a small GPU only while it is at work."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pipeline.errors import UsageError
from pipeline.model import Model


def take_turns(model: Model, device: torch.device) -> None:
    """Lets a model whose parts are in main memory compute on `device`, one whole part at a time.

    The device needs room for the largest part, the U-Net, and what it computes, not for the others; in main
    memory all parts stay. Slower by a copy of each part per turn: a U-Net that draws many requests together
    stays where it is until one of them needs the VAE.
    """
    from accelerate.hooks import ModelHook, add_hook_to_module
    from accelerate.utils import send_to_device

    class OneAtATime(ModelHook):
        def __init__(self, others: Sequence[nn.Module]) -> None:
            self.others = others

        def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            for other in self.others:
                other.to("cpu")
            module.to(device)
            return send_to_device(args, device), send_to_device(kwargs, device)

    parts = [model.unet, model.vae, *(encoder.model for encoder in model.text.encoders)]
    for part in parts:
        add_hook_to_module(part, OneAtATime([other for other in parts if other is not part]))
    model.unet.execution_device = device


def check_offload(device: torch.device) -> None:
    """Raises UsageError for a device whose memory is the main memory."""
    if device.type == "cpu":
        raise UsageError("offload is for devices with a memory of their own; the device is cpu, leave it out")
