"""xFormers' memory-efficient attention on CUDA.

Source: Rabe & Staats 2021, arXiv:2112.05682; layout b m h k, or b m g h k for grouped heads.
"""

import re
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.backends.sdpa_kernels import aligned_bias
from limelight.attention.capability import HALF, Capability, Limits
from limelight.attention.masks import fold_causal, hidden_queries, rows_contiguous

CAPABILITY = Capability(
    {
        "cuda": Limits(
            dtypes=HALF | {torch.float32},
            head_dim_multiple=8,
            grad=False,  # its backward pass takes no grouped heads, and no sampler needs gradients
            min_compute_capability=(6, 0),
            dtype_compute_capability={torch.bfloat16: (8, 0)},
        )
    }
)


@cache
def missing() -> str | None:
    if find_spec("xformers") is None:
        return "xformers is not installed; pip install xformers"
    if not torch.cuda.is_available():  # checked before the import, which warns without a CUDA build
        return "xformers computes on CUDA, and torch sees no CUDA device"
    remedy = f"install the release made for torch {torch.__version__}"
    try:
        from xformers.ops import memory_efficient_attention_forward
    except Exception as error:  # a wheel built for another torch raises OSError or RuntimeError too
        return f"cannot import xformers ({error}); {remedy}"
    tiny = torch.zeros(1, 8, 1, 8, device="cuda", dtype=torch.float16)
    try:
        memory_efficient_attention_forward(tiny, tiny, tiny)
    except NotImplementedError as error:  # its own library does not load, or has no kernel for this GPU
        reasons = "; ".join(dict.fromkeys(re.findall(r"^ {4}(\S.*)", str(error), re.MULTILINE)))
        return f"xformers has no kernel that runs here ({reasons}); {remedy}"
    return None


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    from xformers.ops import memory_efficient_attention_forward
    from xformers.ops.fmha.attn_bias import LowerTriangularFromBottomRightMask

    q, k, v = (rows_contiguous(x) for x in (q, k, v))  # it refuses others
    num_queries, num_keys, num_kv_heads = q.shape[2], k.shape[2], k.shape[1]
    if causal and mask is None and num_queries <= num_keys:
        bias = LowerTriangularFromBottomRightMask()
        hidden = None
    else:
        mask = fold_causal(mask, causal, num_queries, num_keys, q.device)
        bias = None if mask is None else aligned_bias(mask, q, k)
        hidden = None if mask is None else hidden_queries(mask)  # b h n 1
    if num_kv_heads == q.shape[1]:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))  # b h n d -> b n h d
    else:
        groups = q.shape[1] // num_kv_heads
        q = q.unflatten(1, (num_kv_heads, groups)).permute(0, 3, 1, 2, 4)  # b (hk g) n d -> b n hk g d
        k, v = (x.transpose(1, 2)[:, :, :, None].expand(-1, -1, -1, groups, -1) for x in (k, v))
        if isinstance(bias, Tensor):
            bias = bias.unflatten(1, (num_kv_heads, groups))
    out = memory_efficient_attention_forward(q, k, v, attn_bias=bias, scale=scale)
    out = out.flatten(2, -2).transpose(1, 2)  # b n (hk g) d -> b h n d
    return out if hidden is None else out.masked_fill(hidden, 0.0)  # a query that may see no key


BACKEND = Backend(name="xformers", capability=CAPABILITY, run=run, missing=missing)
