"""Chooses the device and dtype of a model, and lets its parts share a small GPU."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from limelight.pipeline.errors import UnknownName, UsageError
from limelight.pipeline.models.model import Model

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def devices() -> list[str]:
    """The devices of this machine, the best first."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(name: str | None) -> torch.device:
    """The named device, or the best one of this machine.

    Raises:
        UnknownName: this machine has no such device.
    """
    valid = devices()
    if name is None:
        return torch.device(valid[0])
    if name == "cuda" and "cuda:0" in valid:
        return torch.device("cuda:0")
    if name not in valid:
        raise UnknownName("device", name, valid)
    return torch.device(name)


def choose_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The named dtype, or the default of the device.

    Raises:
        UnknownName: there is no such dtype.
        UsageError: the dtype is float16 and the device a CPU, which has no arithmetic for it.
    """
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.float16
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise UnknownName("dtype", name, DTYPES)
    if name == "float16" and device.type == "cpu":
        raise UsageError("dtype is float16 on the CPU, which computes it slowly and inexactly; use float32")
    return DTYPES[name]


def take_turns(model: Model, device: torch.device) -> None:
    """Lets a model whose parts are in main memory compute on `device`, one part at a time.

    The device needs memory for the largest part, the U-Net, and its activations. All parts stay in main
    memory. Each change of parts costs a copy. A U-Net that draws many requests together stays on the device
    until one of them needs the VAE.
    """
    from accelerate.hooks import ModelHook, add_hook_to_module
    from accelerate.utils import send_to_device

    class OneAtATime(ModelHook):
        def __init__(self, others: Sequence[nn.Module]) -> None:
            self.others = others
            self.execution_device = device  # the name that accelerate's hooks use

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
    """Raises UsageError for a device that uses main memory."""
    if device.type == "cpu":
        raise UsageError("offload is for devices with a memory of their own; the device is cpu, leave it out")
