"""Half precision where the hardware has it."""

import torch


def mixed(device: str | torch.device) -> torch.autocast:
    """Autocast to bfloat16, off on a CPU that only emulates it: convolutions take 20 times longer there."""
    kind = torch.device(device).type
    fast = kind != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=fast)
