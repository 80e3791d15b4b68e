"""Where and in which precision a model runs."""

import torch

from pipeline.errors import UnknownName, UsageError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def devices() -> list[str]:
    """The devices of this machine, best first."""
    found = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(name: str | None) -> torch.device:
    """The named device, or the best one here.

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
    """The named dtype, or the usual one of the device.

    Raises:
        UnknownName: no such dtype.
        UsageError: float16 on a CPU, which has no arithmetic for it.
    """
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.float16
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise UnknownName("dtype", name, DTYPES)
    if name == "float16" and device.type == "cpu":
        raise UsageError("dtype is float16 on the CPU, which computes it slowly and inexactly; use float32")
    return DTYPES[name]
