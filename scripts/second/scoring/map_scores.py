"""How well maps agree with masks, and which aggregation of heads agrees best."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limelight.pipeline.models.best_maps import BestMaps
from scripts.second.scoring.recorded import Recorded, Truth

Maps = Float[Tensor, "n h w"]
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(2, 19))
DAAM_THRESHOLD = 0.4
NO_LOSS = 0.005  # of the mean IoU, a third of its confidence interval on 200 nouns
NUM_TIMESTEPS = 1000


def enlarged(maps: Maps, side: int) -> Maps:
    """Maps enlarged to the picture's size, each divided by its largest value."""
    fine = F.interpolate(maps[None], size=(side, side), mode="bicubic")[0].clamp(min=0)
    return fine / fine.amax((1, 2), keepdim=True).clamp(min=1e-8)


def masks_of(truths: list[Truth]) -> Bool[Tensor, "n h w"]:
    return torch.stack([truth.mask for truth in truths])


def pointing(maps: Maps, masks: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Whether the largest value lies in the mask (Zhang et al. 2018, "the pointing game"). If several values
    are the largest, the share of them that does; 0 for a map of zeros."""
    top = maps.amax((1, 2), keepdim=True)
    largest = (maps == top) & (top > 0)
    return (largest & masks).sum((1, 2)) / largest.sum((1, 2)).clamp(min=1)


def iou(maps: Maps, masks: Bool[Tensor, "n h w"], threshold: float) -> Float[Tensor, " n"]:
    """Intersection over union of the mask and the region where the map is above a share of its largest
    value."""
    above = (maps >= threshold) & (maps > 0)
    return (above & masks).sum((1, 2)) / (above | masks).sum((1, 2)).clamp(min=1)


def area_under_roc(maps: Maps, masks: Bool[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """The probability that a pixel of the mask has a larger value than one outside it; ties count half."""
    areas = []
    for values, mask in zip(maps.flatten(1), masks.flatten(1), strict=True):
        _, inverse, counts = values.unique(return_inverse=True, return_counts=True)
        ranks = counts.cumsum(0) - (counts - 1) / 2
        inside = int(mask.sum())
        outside = len(mask) - inside
        above = ranks[inverse][mask].sum() - inside * (inside + 1) / 2
        areas.append(above / max(1, inside * outside))
    return torch.stack(areas)


@dataclass(frozen=True)
class Aggregation:
    """One way of putting recorded heads together.

    Attributes:
        heads: index of the heads that are averaged.
        timesteps: index of the timesteps that are averaged.
        end: the share of the end token's map that is added to a word's.
    """

    name: str
    heads: tuple[int, ...]
    timesteps: tuple[int, ...]
    end: float = 0.0

    def __call__(self, recorded: Recorded) -> Maps:
        taken = recorded.maps[:, list(self.timesteps)][:, :, list(self.heads)].mean((1, 2))
        if self.end:
            taken = taken + self.end * recorded.end[:, list(self.timesteps)][:, :, list(self.heads)].mean(
                (1, 2)
            )
        return enlarged(taken, recorded.truths[0].mask.shape[-1])


def by_grid(recorded: Recorded, name: str, sides: Callable[[int], bool]) -> Aggregation:
    """All heads of all sites with a grid of one of these sides, at all timesteps."""
    heads = tuple(i for i, (_, side, _) in enumerate(recorded.heads) if sides(side))
    return Aggregation(name, heads, tuple(range(len(recorded.timesteps))))


def best_threshold(maps: Maps, masks: Bool[Tensor, "n h w"]) -> float:
    return max(THRESHOLDS, key=lambda threshold: iou(maps, masks, threshold).mean().item())


def mean_iou(aggregation: Aggregation, recorded: Recorded) -> float:
    """The mean IoU of nouns, at the threshold that suits them best."""
    maps, masks = aggregation(recorded), masks_of(recorded.truths)
    return max(iou(maps, masks, threshold).mean().item() for threshold in THRESHOLDS)


def search(recorded: Recorded, start: Aggregation) -> Aggregation:
    """The best aggregation of nouns' maps: timesteps one by one, then heads one by one (greedy, forward),
    then the end token's share. To be called on scenes that are not reported on."""
    nouns = recorded.part([i for i, truth in enumerate(recorded.truths) if truth.kind == "noun"])
    steps = _greedy(
        len(nouns.timesteps),
        lambda chosen: mean_iou(Aggregation("", start.heads, chosen), nouns),
    )
    heads = _greedy(len(nouns.heads), lambda chosen: mean_iou(Aggregation("", chosen, steps), nouns))
    found = [Aggregation("best found", heads, steps, end) for end in (0.0, 0.1, 0.25, 0.5)]
    return max(found, key=lambda aggregation: mean_iou(aggregation, nouns))


def search_default(recorded: Recorded, start: Aggregation) -> Aggregation:
    """The best mean of heads of `start`: of the least noisy timesteps as many as cost at most `NO_LOSS`, then
    heads one by one (greedy, forward)."""
    nouns = recorded.part([i for i, truth in enumerate(recorded.truths) if truth.kind == "noun"])
    ordered = sorted(range(len(nouns.timesteps)), key=lambda i: nouns.timesteps[i])
    spans = [tuple(ordered[:count]) for count in range(1, len(ordered) + 1)]
    worth = {span: mean_iou(Aggregation("", start.heads, span), nouns) for span in spans}
    steps = [span for span in spans if worth[span] >= max(worth.values()) - NO_LOSS][-1]
    chosen = _greedy(
        len(start.heads),
        lambda each: mean_iou(Aggregation("", tuple(start.heads[i] for i in each), steps), nouns),
    )
    return Aggregation("the model's default", tuple(start.heads[i] for i in chosen), steps)


def best_maps_of(found: Aggregation, recorded: Recorded, scores: Mapping[str, float]) -> BestMaps:
    """An aggregation as a model's folder stores it."""
    heads: dict[str, tuple[int, ...]] = {}
    for site, _, head in (recorded.heads[i] for i in found.heads):
        heads[site] = tuple(sorted((*heads.get(site, ()), head)))
    last = max(recorded.timesteps[i] for i in found.timesteps) / NUM_TIMESTEPS
    return BestMaps(heads=heads, finest=True, last=last, scores=scores)


def default_of(best: BestMaps, recorded: Recorded) -> Aggregation:
    """The aggregation that `HeatMaps` uses for a model by default."""
    sides = sorted({side for _, side, _ in recorded.heads}, reverse=True)
    taken = sides[:1] if best.finest else sides[:-1] or sides
    heads = tuple(
        i
        for i, (site, side, head) in enumerate(recorded.heads)
        if (head in best.heads.get(site, ()) if best.heads else side in taken)
    )
    steps = tuple(i for i, step in enumerate(recorded.timesteps) if step <= best.last * NUM_TIMESTEPS)
    return Aggregation("the model's default", heads, steps or (0,))


def _greedy(count: int, worth: Callable[[tuple[int, ...]], float]) -> tuple[int, ...]:
    chosen: tuple[int, ...] = ()
    best = 0.0
    while len(chosen) < count:
        grown = [(*chosen, i) for i in range(count) if i not in chosen]
        values = [worth(candidate) for candidate in grown]
        if max(values) <= best:
            break
        best, chosen = max(values), grown[int(np.argmax(values))]
    return chosen


def whole(recorded: Recorded) -> Maps:
    """A baseline map that is 1 everywhere."""
    return torch.ones(len(recorded.truths), *recorded.truths[0].mask.shape)


def centred(recorded: Recorded) -> Maps:
    """A baseline map that is brightest in the middle: a Gaussian of a quarter of the side."""
    height, width = recorded.truths[0].mask.shape
    rows = ((torch.arange(height) + 0.5) / height - 0.5)[:, None]
    columns = (torch.arange(width) + 0.5) / width - 0.5
    return (-(rows**2 + columns**2) / (2 * 0.25**2)).exp().expand(len(recorded.truths), -1, -1)
