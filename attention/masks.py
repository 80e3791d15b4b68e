"""Masks, queries and keys in the forms that backends need."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def causal_mask(num_queries: int, num_keys: int, device: torch.device) -> Bool[Tensor, "n m"]:
    """True where query i may see key j: j <= i + num_keys - num_queries, so the last query sees every key."""
    full = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return full.tril_(num_keys - num_queries)


def fold_causal(
    mask: Tensor | None, causal: bool, num_queries: int, num_keys: int, device: torch.device
) -> Tensor | None:
    """One mask with the type of `mask` that combines it with `causal`."""
    if not causal:
        return mask
    visible = causal_mask(num_queries, num_keys, device)[None, None]
    if mask is None:
        return visible
    return mask & visible if mask.dtype == torch.bool else mask.masked_fill(~visible, -torch.inf)


def additive(mask: Tensor, dtype: torch.dtype) -> Float[Tensor, "..."]:
    """`mask` as numbers to add to the scores: 0 where a key takes part, -inf where it does not."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -torch.inf)


def hidden_queries(mask: Tensor) -> Bool[Tensor, "..."]:
    """True where a query may see no key; the dimension of the keys has size 1."""
    return (
        ~mask.any(-1, keepdim=True) if mask.dtype == torch.bool else mask.amax(-1, keepdim=True) == -torch.inf
    )


def rows_contiguous(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """`x` with a contiguous last dimension, copied only if it has none."""
    return x if x.stride(-1) == 1 else x.contiguous()
