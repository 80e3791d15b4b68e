"""torch's attention kernels one by one, for orders such as "self=sdpa-flash".

Each backend calls the operator of its kernel. `torch.nn.attention.sdpa_kernel` would set flags of the whole
process, so an order in one thread would change what another thread runs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.backends import sdpa
from limelight.attention.backends.sdpa import as_torch_takes_it
from limelight.attention.capability import FLOATS, HALF, Capability, Limits
from limelight.attention.masks import additive, rows_contiguous

aten = torch.ops.aten

AMPERE = (8, 0)
NO_MASK: frozenset = frozenset()
FLASH_CAPABILITY = Capability(
    {
        # The CPU kernel computes no gradient for masks.
        "cpu": Limits(dtypes=FLOATS, grad_with_mask=False),
        "cuda": Limits(
            dtypes=HALF,
            max_head_dim=256,
            max_head_dim_with_grad=192,  # the limit of the backward kernel at compute capability 8.6 and 8.9
            head_dim_multiple=8,
            masks=NO_MASK,
            causal="square",
            min_compute_capability=AMPERE,
        ),
    }
)
EFFICIENT_CAPABILITY = Capability(
    {
        "cuda": Limits(
            dtypes=HALF | {torch.float32},
            head_dim_multiple=8,
            grouped_heads=False,
            min_compute_capability=(5, 0),
            dtype_compute_capability={torch.bfloat16: AMPERE},
        )
    }
)
CUDNN_CAPABILITY = Capability(
    {
        "cuda": Limits(
            dtypes=HALF,
            max_head_dim=128,
            head_dim_multiple=8,
            masks=NO_MASK,
            causal="square",
            grouped_heads=False,
            min_compute_capability=AMPERE,
        )
    }
)
BIAS_ALIGNMENT = 16  # numbers; the efficient kernel reads rows of the mask in aligned pieces


def run_math(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    mask, causal = as_torch_takes_it(q, k, mask, causal)
    grouped = q.shape[1] != k.shape[1]
    bias = None if mask is None else additive(mask, q.dtype)
    return aten._scaled_dot_product_attention_math(
        q, k, v, bias, is_causal=causal, scale=scale, enable_gqa=grouped
    )[0]


def run_flash(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    mask, causal = as_torch_takes_it(q, k, mask, causal)
    q, k, v = (rows_contiguous(x) for x in (q, k, v))
    if q.is_cuda:
        return aten._scaled_dot_product_flash_attention(q, k, v, is_causal=causal, scale=scale)[0]
    bias = None if mask is None else additive(mask, q.dtype)
    return aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, is_causal=causal, attn_mask=bias, scale=scale
    )[0]


def run_efficient(
    q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float
) -> Tensor:
    mask, causal = as_torch_takes_it(q, k, mask, causal)
    q, k, v = (rows_contiguous(x) for x in (q, k, v))
    bias = None if mask is None else aligned_bias(mask, q, k)
    return aten._scaled_dot_product_efficient_attention(
        q, k, v, bias, _needs_grad(q, k, v, bias), is_causal=causal, scale=scale
    )[0]


def run_cudnn(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    mask, causal = as_torch_takes_it(q, k, mask, causal)
    q, k, v = (rows_contiguous(x) for x in (q, k, v))
    return aten._scaled_dot_product_cudnn_attention(
        q, k, v, mask, _needs_grad(q, k, v, None), is_causal=causal, scale=scale
    )[0]


def aligned_bias(mask: Tensor, q: Tensor, k: Tensor, multiple: int = BIAS_ALIGNMENT) -> Tensor:
    """`mask` as b h n m numbers in q's dtype, whose rows start a multiple of `multiple` numbers apart."""
    num_keys = k.shape[2]
    bias = additive(mask, q.dtype).expand(*mask.shape[:3], num_keys)
    if num_keys % multiple or bias.stride(-1) != 1:
        bias = F.pad(bias, (0, -num_keys % multiple)).contiguous()[..., :num_keys]
    return bias.expand(q.shape[0], q.shape[1], q.shape[2], num_keys)


def _needs_grad(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


FLASH = Backend(name="sdpa-flash", capability=FLASH_CAPABILITY, run=run_flash, kernel_of=lambda spec: "flash")
EFFICIENT = Backend(
    name="sdpa-efficient",
    capability=EFFICIENT_CAPABILITY,
    run=run_efficient,
    kernel_of=lambda spec: "efficient",
)
CUDNN = Backend(name="sdpa-cudnn", capability=CUDNN_CAPABILITY, run=run_cudnn, kernel_of=lambda spec: "cudnn")
MATH = Backend(name="sdpa-math", capability=sdpa.CAPABILITY, run=run_math, kernel_of=lambda spec: "math")
