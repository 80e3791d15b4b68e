"""How much each token contributes to what cross-attention writes, beyond how much it is looked at."""

import torch
from jaxtyping import Float
from torch import Tensor


def contribution_norms(
    heads: Float[Tensor, "h n m"], v: Float[Tensor, "hk m d"], out_weight: Float[Tensor, "c hd"]
) -> Float[Tensor, "n m"]:
    """Length of the vector that token m adds to the layer's output at position n, in float32.

    The vector is sum_h A[h,n,m] U[h,m] with U[h,m] = V[h,m] W_O[h]. Its squared length is a G_m a, with
    a = A[:,n,m] and G_m the h x h products of U[:,m]: no vector is ever formed, and a position and token
    cost h^2 instead of h c.

    Args:
        heads: attention probabilities.
        v: as many tokens as `heads` has; fewer heads are shared.
        out_weight: of the output projection, which reads the heads side by side.

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
