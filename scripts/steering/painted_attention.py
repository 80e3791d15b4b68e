"""Attention for training with paint: the paint and the regions of every row of a batch, with gradients."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.attention import AttentionRuntime


@dataclass(frozen=True, kw_only=True)
class PaintedAttention(AttentionRuntime):
    """Cross-attention with each row's paint, and with the regions whose contexts follow the row's own.

    Args:
        paint: what is added to the scores of each token at each position of the finest grid; coarser grids
            take its means.
        shares: how much of the output comes from the row's own context, the first, and from each region's.
    """

    paint: Float[Tensor, "b m h w"]
    shares: Float[Tensor, "b r h w"]

    def attend_self(
        self, site: str, q: Tensor, k: Tensor, v: Tensor, *rest: Any, scale: float, grid: tuple[int, int]
    ) -> Tensor:
        return (q * scale @ k.mT).softmax(-1) @ v

    def attend_cross(
        self, site: str, q: Tensor, groups: Any, *, scale: float, grid: tuple[int, int], out_weight: Tensor
    ) -> Tensor:
        """The output of a site. The contexts of a row are equally long and follow each other in `groups`."""
        keys, values = (x.unflatten(2, (self.shares.shape[1], -1)).unbind(2) for x in groups[0].at(site))
        paint, shares = (F.adaptive_avg_pool2d(x, grid).flatten(2).mT for x in (self.paint, self.shares))
        scores = [q * scale @ k.mT for k in keys]
        scores[0] = scores[0] + paint[:, None]
        parts = [each.softmax(-1) @ v for each, v in zip(scores, values, strict=True)]
        weighted = zip(shares.unbind(-1), parts, strict=True)
        return torch.stack([share[:, None, :, None] * part for share, part in weighted]).sum(0)
