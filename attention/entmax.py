"""Attention with probabilities from 1.5-entmax, which lies between softmax and the projection onto the
simplex. Keys with low scores get probability 0.

Source: Peters, Niculae & Martins 2019, arXiv:1905.05702, algorithm 2.
"""

import torch
from jaxtyping import Float
from torch import Tensor

QUERIES_AT_ONCE = 1024  # of one head; only their probabilities are in memory at a time


def entmax(scores: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch m"]:
    """1.5-entmax over the last axis: `clamp(scores / 2 - tau, 0)^2`, with the tau that makes the sum 1."""
    halves = scores / 2
    halves = halves - halves.amax(-1, keepdim=True)
    falling = halves.sort(-1, descending=True).values
    count = torch.arange(1, falling.shape[-1] + 1, device=falling.device, dtype=falling.dtype)
    mean = falling.cumsum(-1) / count
    spread = falling.square().cumsum(-1) - count * mean.square()
    tau = mean - ((1 - spread) / count).clamp(min=0).sqrt()
    num_kept = (tau <= falling).sum(-1, keepdim=True)
    return (halves - tau.gather(-1, num_kept - 1)).clamp(min=0).square()


def attend_entmax(
    q: Float[Tensor, "1 h n d"],
    k: Float[Tensor, "1 hk m d"],
    v: Float[Tensor, "1 hk m d"],
    *,
    scale: float,
    bias: Float[Tensor, "n m"] | None = None,
) -> Float[Tensor, "1 h n d"]:
    """The output of one row, computed in float32, some queries of one head at a time."""
    num_heads, num_positions = q.shape[1:3]
    per_key = num_heads // k.shape[1]
    out = torch.empty_like(q)
    for head in range(num_heads):
        keys, values = (x[0, head // per_key].float() for x in (k, v))
        for start in range(0, num_positions, QUERIES_AT_ONCE):
            some = slice(start, start + QUERIES_AT_ONCE)
            scores = q[0, head, some].float() @ keys.mT * scale
            scores = scores if bias is None else scores + bias[some]
            out[0, head, some] = (entmax(scores) @ values).to(out.dtype)
    return out
