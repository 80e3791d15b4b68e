"""How much of each position of a grid a place covers: its mean over the position's area."""

import warnings
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.requests.places import Mask, Placed, PlaceWarning
from limelight.pipeline.requests.request import GenerationRequest


def coverage(place: Placed, grid: tuple[int, int], *, feather: float = 0.0) -> Float[Tensor, "h w"]:
    """0 to 1, exact at any size of grid, picture and mask.

    Args:
        place: opened.
        feather: the width of soft edges, as a fraction of the picture's sides; the picture's own edges are
            not softened.
    """
    height, width = grid
    if place.box is None and place.mask is None:  # a region whose word is not located yet
        return torch.zeros(grid)
    if place.box is not None:
        left, top, right, bottom = place.box
        down, across = (
            _shares(count, feather, torch.tensor([[low, high]], dtype=torch.float64))
            for count, low, high in ((height, top, bottom), (width, left, right))
        )
        return (down @ across.mT).float()
    assert isinstance(place.mask, Mask), "the request is not opened"
    levels = torch.frombuffer(bytearray(place.mask.levels), dtype=torch.uint8).double() / 255
    down, across = (
        _shares(count, feather, _pixels(side))
        for count, side in ((height, place.mask.height), (width, place.mask.width))
    )
    return (down @ levels.view(place.mask.height, place.mask.width) @ across.mT).float()


def _pixels(count: int) -> Float[Tensor, "pixels 2"]:
    """Where each of `count` pixels begins and ends, as fractions of the side."""
    edges = torch.linspace(0, 1, count + 1, dtype=torch.float64)
    return torch.stack((edges[:-1], edges[1:]), -1)


def _shares(count: int, feather: float, parts: Float[Tensor, "parts 2"]) -> Float[Tensor, "count parts"]:
    """The share of each of `count` positions along a side that lies in each part of the side."""
    own = _pixels(count)
    low = (own[:, :1] - feather / 2).clamp(min=0)
    high = (own[:, 1:] + feather / 2).clamp(max=1)
    both = torch.minimum(high, parts[:, 1]) - torch.maximum(low, parts[:, 0])
    return both.clamp(min=0) / (high - low)


def warn_of_places(request: GenerationRequest) -> None:
    """Warns of regions that overlap and of masks that are stretched.

    Args:
        request: resolved.
    """
    assert request.width and request.height, "the request is not resolved"
    for each in (*request.paint, *request.regions):
        if isinstance(each.mask, Mask):
            wide, own = each.mask.width / each.mask.height, request.width / request.height
            if abs(wide / own - 1) > 0.1:
                warnings.warn(
                    f"the mask of {each.name} is {wide:.2f} times as wide as high and the picture {own:.2f} "
                    "times; it is stretched over the picture",
                    PlaceWarning,
                    stacklevel=2,
                )
    grid = (64, 64)
    placed = [each for each in request.regions if not each.word]
    for one, other in combinations(placed, 2):
        both = (coverage(one, grid) * coverage(other, grid)).mean().item()
        if both > 0.005:
            warnings.warn(
                f"{one.name} and {other.name} share {both:.0%} of the picture; there they are blended",
                PlaceWarning,
                stacklevel=2,
            )
