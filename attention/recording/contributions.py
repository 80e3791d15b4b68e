"""How much each token contributes to the output of cross-attention, which its probability alone does not
show."""

import torch
from jaxtyping import Float
from torch import Tensor


def contribution_norms(
    heads: Float[Tensor, "h n m"], v: Float[Tensor, "hk m d"], out_weight: Float[Tensor, "c hd"]
) -> Float[Tensor, "n m"]:
    """Length of the vector that token m adds to the layer's output at position n, in float32.

    The vector is sum_h A[h,n,m] U[h,m] with U[h,m] = V[h,m] W_O[h]. Its squared length is a G_m a, where
    a = A[:,n,m] and G_m is the h x h matrix of the products of U[:,m]. So no vector is formed, and each
    position and token costs h^2 operations instead of h c.

    Args:
        heads: attention probabilities.
        v: values of the same tokens; fewer heads are shared between those of `heads`.
        out_weight: weight of the output projection, whose input is the concatenated heads.

    Source: Kobayashi et al. 2020, arXiv:2004.10102, "Attention is not only a weight"; here over all heads.
    """
    num_heads = heads.shape[0]
    with torch.autocast(heads.device.type, enabled=False):
        v = v.float().repeat_interleave(num_heads // v.shape[0], dim=0)
        per_head = out_weight.float().unflatten(-1, (num_heads, -1)).permute(1, 2, 0)  # c (h d) -> h d c
        written = (v @ per_head).transpose(0, 1)  # m h c
        gram = written @ written.mT  # m h h
        a = heads.permute(2, 1, 0)  # m n h
        return ((a @ gram) * a).sum(-1).clamp(min=0).sqrt().mT
