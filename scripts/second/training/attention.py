"""Attention for training: words can be painted, and maps keep their gradients."""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.attention import AttentionRuntime

SIDE = 16  # positions a side of the grid whose maps are kept


@dataclass(frozen=True, kw_only=True)
class TrainingAttention(AttentionRuntime):
    """Cross-attention that computes its probabilities explicitly, since the losses need them.

    Args:
        paint: what is added to the logits of each token at each position of the finest grid; coarser grids
            take its means.
        maps: for every site on the finest grid, receives the probabilities' mean over heads.
        queries: for every cross-attention site, receives its queries.
    """

    paint: Float[Tensor, "b h w m"] | None = None
    maps: list[Float[Tensor, "b n m"]] = field(default_factory=list)
    queries: dict[str, Float[Tensor, "b h n d"]] = field(default_factory=dict)

    def attend_self(
        self, site: str, q: Tensor, k: Tensor, v: Tensor, *rest: Any, scale: float, grid: tuple[int, int]
    ) -> Tensor:
        if q.device.type == "cpu":  # the flash kernel's backward pass is slow there
            return (q * scale @ k.mT).softmax(-1) @ v
        return F.scaled_dot_product_attention(q, k, v, scale=scale)

    def attend_cross(
        self, site: str, q: Tensor, groups: Any, *, scale: float, grid: tuple[int, int], out_weight: Tensor
    ) -> Tensor:
        k, v = groups[0].at(site)
        logits = (q * scale) @ k.transpose(-1, -2)
        if self.paint is not None:
            logits = logits + painted(self.paint, grid)[:, None].to(logits.dtype)
        probabilities = logits.float().softmax(-1)
        if grid == (SIDE, SIDE):
            self.maps.append(probabilities.mean(1))
        self.queries[site] = q
        return probabilities.to(v.dtype) @ v


def painted(paint: Float[Tensor, "b h w m"], grid: tuple[int, int]) -> Float[Tensor, "b n m"]:
    """The paint, averaged to a site's grid."""
    if paint.shape[1:3] != torch.Size(grid):
        paint = F.adaptive_avg_pool2d(paint.permute(0, 3, 1, 2), grid).permute(0, 2, 3, 1)
    return paint.flatten(1, 2)
