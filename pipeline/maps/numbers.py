"""Statistics of maps: concentration of one, overlap of two, outliers among many."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def concentration(map: Float[Tensor, "h w"]) -> float:
    """1 minus the normalized entropy of a map: 0 for a uniform map, 1 for a single position.

    Source: Shannon 1948, section 6, with Pielou's evenness H / ln n.
    """
    p = _distribution(map)
    return 0.0 if p.numel() == 1 else 1 - float(torch.special.entr(p).sum()) / math.log(p.numel())


def overlap(one: Float[Tensor, "h w"], other: Float[Tensor, "h w"]) -> float:
    """The overlap of two maps as distributions over positions, 0 to 1: 1 minus their total variation
    distance."""
    return float(torch.minimum(_distribution(one), _distribution(other)).sum())


def outliers(maps: Mapping[str, Float[Tensor, "k h w"]], threshold: float) -> dict[str, float]:
    """Name -> the distance of its maps from the others, for outliers only; largest first.

    Maps are compared on the smallest grid, as distributions over positions. The distance is the mean total
    variation from the others. The score is its difference from the median, in median absolute deviations.

    Source: Iglewicz & Hoaglin 1993, "How to Detect and Handle Outliers": 0.6745 (x - median) / MAD > 3.5.
    """
    if len(maps) < 3:
        return {}
    smallest = min((tuple(each.shape[1:]) for each in maps.values()), key=math.prod)
    rows = torch.stack([_on(each, smallest) for each in maps.values()])  # sites k n
    apart = (rows[:, None] - rows[None]).abs().sum(-1).mean(-1) / 2  # sites sites
    distance = apart.sum(1) / (len(maps) - 1)
    deviation = (distance - distance.median()).abs().median().clamp(min=1e-6)
    scores = (0.6745 * (distance - distance.median()) / deviation).tolist()
    named = sorted(zip(maps, scores, strict=True), key=lambda item: -item[1])
    return {name: score for name, score in named if score > threshold}


def stretched(map: Float[Tensor, "*k h w"]) -> Float[Tensor, "*k h w"]:
    """Each map, stretched so that its minimum is 0 and its maximum 1; a constant map becomes 0."""
    low, high = map.amin((-2, -1), keepdim=True), map.amax((-2, -1), keepdim=True)
    span = high - low
    return torch.where(span > 0, (map - low) / span.clamp(min=torch.finfo(map.dtype).tiny), 0.0)


def with_share(
    maps: Float[Tensor, "m h w"], tokens: list[int], words: list[int], end: list[int], share: float
) -> Float[Tensor, "h w"]:
    """The map of `tokens`, plus their part of the fraction `share` of the end token's probability. All
    `words` divide that fraction in proportion to their own probabilities."""
    own = maps[tokens].sum(0)
    return own + share * maps[end].sum(0) * own / maps[words].sum(0).clamp(min=1e-12)


def resized(map: Float[Tensor, "gh gw"], size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """A map on another grid, by bicubic interpolation, which may return values below 0 and above 1."""
    return F.interpolate(map[None, None], size=size, mode="bicubic", align_corners=False)[0, 0]


def _distribution(map: Tensor) -> Tensor:
    p = map.flatten().double()
    return p / p.sum() if p.sum() > 0 else torch.full_like(p, 1 / p.numel())


def _on(maps: Float[Tensor, "k h w"], grid: tuple[int, ...]) -> Float[Tensor, "k n"]:
    small = F.adaptive_avg_pool2d(maps[None].float(), (grid[0], grid[1]))[0]
    return torch.stack([_distribution(each) for each in small])
