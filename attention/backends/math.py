"""Attention computed literally as defined. Every other backend is tested against it."""

import torch
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.capability import ANY_DEVICE, FLOATS, Capability, Limits
from limelight.attention.masks import additive, fold_causal

CAPABILITY = Capability(
    {ANY_DEVICE: Limits(dtypes=FLOATS), "mps": Limits(dtypes=FLOATS - {torch.float64})},
)


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    groups = q.shape[1] // k.shape[1]
    wide = torch.promote_types(q.dtype, torch.float32)
    q, k, v, dtype = q.to(wide), k.to(wide), v.to(wide), q.dtype
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)  # b h m d
    scores = q @ k.mT * scale  # b h n m
    mask = fold_causal(mask, causal, q.shape[2], k.shape[2], q.device)
    if mask is not None:
        scores = scores + additive(mask, wide)
    return (softmax(scores) @ v).to(dtype)


def softmax(scores: Tensor) -> Tensor:
    """Softmax over keys. A query that may see no key gets zeros, not NaN."""
    hidden = scores.amax(-1, keepdim=True) == -torch.inf
    return scores.masked_fill(hidden, 0.0).softmax(-1).masked_fill(hidden, 0.0)  # twice: no NaN in gradients


BACKEND = Backend(name="math", capability=CAPABILITY, run=run)
