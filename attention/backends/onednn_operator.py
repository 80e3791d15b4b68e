"""Attention with oneDNN's matrix products, as one operator of torch.

A large picture takes thousands of products, which torch.compile need not trace. Importing this file registers
the operator, so it is imported at the first call.
"""

import torch
from torch import Tensor

MAX_SCORES = 2**20  # in one block: 4 MiB


@torch.library.custom_op("limelight::attend_by_onednn", mutates_args=())
def attend_by_onednn(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """softmax(scale * q kT) v; k and v may have fewer heads than q."""
    b, h = q.shape[:2]
    m, groups = k.shape[2], h // k.shape[1]
    out = torch.empty_like(q)
    for i in range(b):
        for j in range(h):
            queries, keys, values = q[i, j] * scale, k[i, j // groups], v[i, j // groups]
            keys, values = keys.contiguous(), values.mT.contiguous()  # a row of products' weights each
            for part, into in zip(
                *(x.split(max(1, MAX_SCORES // m)) for x in (queries, out[i, j])), strict=True
            ):
                into.copy_(_product(torch.softmax(_product(part, keys), -1), values))
    return out


@attend_by_onednn.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return torch.empty_like(q)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """x weightT."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "none")
