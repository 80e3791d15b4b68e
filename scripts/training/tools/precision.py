"""Half precision where the hardware has it."""

import torch


def has_bfloat16(device: str | torch.device) -> bool:
    """Whether bfloat16 is quick: a CPU that only emulates it takes 15 to 20 times longer than for float32."""
    return torch.device(device).type != "cpu" or torch.cpu._is_avx512_bf16_supported()


def mixed(device: str | torch.device) -> torch.autocast:
    """Autocast to bfloat16 where `has_bfloat16`."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=has_bfloat16(kind))
