"""FlashAttention kernels of the packages `flash_attn_interface` (version 3, Hopper) and `flash_attn` (2).

Source: Dao 2023, arXiv:2307.08691; Shah et al. 2024, arXiv:2407.08608.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.capability import HALF, Capability, Limits
from limelight.attention.spec import AttentionSpec

CAPABILITY = Capability(
    {
        "cuda": Limits(
            dtypes=HALF,
            max_head_dim=256,
            head_dim_multiple=8,
            masks=frozenset(),
            min_compute_capability=(8, 0),
        )
    }
)
HOPPER = (9, 0)


@cache
def importable(package: str) -> str | None:
    """The reason why `package` cannot be imported here, or None."""
    if find_spec(package) is None:
        return f"{package} is not installed"
    try:
        import_module(package)
    except Exception as error:  # a wheel built for another torch raises OSError or RuntimeError too
        return f"cannot import {package} ({error})"
    return None


def missing() -> str | None:
    reason = importable("flash_attn")
    if reason is None or (importable("flash_attn_interface") is None and _device_is_hopper()):
        return None
    return f"{reason}; pip install flash-attn (version 2), or on Hopper build its version 3"


def _device_is_hopper() -> bool:
    return torch.cuda.is_available() and torch.cuda.get_device_capability()[0] == HOPPER[0]


def _version(compute_capability: tuple[int, int] | None) -> int:
    is_hopper = compute_capability is not None and compute_capability[0] == HOPPER[0]
    return 3 if is_hopper and importable("flash_attn_interface") is None else 2


def kernel_of(spec: AttentionSpec) -> str:
    return f"flash{_version(spec.compute_capability)}"


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    if _version(torch.cuda.get_device_capability(q.device)) == 3:
        from flash_attn_interface import flash_attn_func
    else:
        from flash_attn import flash_attn_func
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # b h n d -> b n h d
    out = flash_attn_func(q, k, v, softmax_scale=scale, causal=causal)  # its causal is ours: bottom right
    out = out[0] if isinstance(out, tuple) else out  # early builds of version 3 return the logsumexp too
    return out.transpose(1, 2)


BACKEND = Backend(name="flash", capability=CAPABILITY, run=run, missing=missing, kernel_of=kernel_of)
