"""Cross-attention by a Triton kernel, which also returns maps on request."""

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.capability import HALF, Capability, Limits
from limelight.attention.context import KeysValues, Pages
from limelight.attention.masks import rows_contiguous

LIMITS = Limits(
    dtypes=HALF,  # in float32 it would take up to 160 KiB of shared memory
    max_head_dim=256,
    max_keys=512,  # all keys of a query are one block
    causal="no",
    grad=False,
    min_compute_capability=(8, 0),
)
CAPABILITY = Capability({"cuda": LIMITS})


@cache
def missing() -> str | None:
    if find_spec("triton") is None:
        return "triton is not installed; it comes with torch for CUDA on Linux, elsewhere pip install triton"
    if not torch.cuda.is_available():
        return "triton compiles for a GPU, and torch sees no CUDA device"
    try:
        import limelight.attention.backends.triton_kernels  # noqa: F401
    except Exception as error:  # a release made for another torch or driver
        return f"cannot import triton ({error}); install the release made for torch {torch.__version__}"
    return None


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    from limelight.attention.backends.triton_kernels import cross_attention

    mask = None if mask is None else mask.expand(*q.shape[:3], k.shape[2])
    q, k, v = (rows_contiguous(x) for x in (q, k, v))
    return cross_attention(q, k, v, mask, None, k.shape[2], scale, False)[0]


def cross(q: Tensor, keys: KeysValues | Pages, *, scale: float, mapped: bool) -> tuple[Tensor, Tensor | None]:
    from limelight.attention.backends.triton_kernels import cross_attention

    if isinstance(keys, Pages):
        k, v, blocks, num_keys = keys.k, keys.v, keys.blocks, keys.length
    else:
        (k, v), blocks, num_keys = keys, None, keys[0].shape[2]
    q, k, v = (rows_contiguous(x) for x in (q, k, v))
    out, means = cross_attention(q, k, v, None, blocks, num_keys, scale, mapped)
    return out, means if mapped else None


BACKEND = Backend(name="triton", capability=CAPABILITY, run=run, missing=missing, cross=cross)
