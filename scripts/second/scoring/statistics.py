"""Numbers of many pictures: intervals of means, and distances between sets of features."""

from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def interval(values: np.ndarray, rng: np.random.Generator, draws: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean; `values` has a row for each prompt, which is resampled as a
    whole."""
    rows = values.reshape(len(values), -1).mean(1)
    means = rows[rng.integers(0, len(rows), (draws, len(rows)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@torch.no_grad()
def frechet(a: Float[Tensor, "n c"], b: Float[Tensor, "m c"]) -> float:
    """The Frechet distance between two sets of features (Heusel et al. 2017, eq. 6)."""
    a, b = a.double(), b.double()
    gap = (a.mean(0) - b.mean(0)).square().sum()
    first, second = torch.cov(a.T), torch.cov(b.T)
    root = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    return (gap + first.trace() + second.trace() - 2 * root).item()


@torch.no_grad()
def nearest(images: Float[Tensor, "b 3 h w"], others: Iterable[Float[Tensor, "n 3 h w"]]) -> float:
    """The median over `images` of the distance to the nearest of all other pictures: the root mean square of
    the difference of pixels."""
    flat = images.flatten(1)
    least = torch.full((len(flat),), torch.inf)
    for part in others:
        least = torch.minimum(least, torch.cdist(flat, part.flatten(1)).amin(1))
    return float(least.median()) / flat.shape[1] ** 0.5
