"""Painted words: rough regions of the things that some words name, as a bias on their tokens. So the model
learns to follow a user's brush."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from scripts.second.training.attention import SIDE
from scripts.second.training.config import PaintConfig
from scripts.second.world.captions import MOST_THINGS


def paint(
    config: PaintConfig,
    names: Int[Tensor, "b m"],
    masks: Float[Tensor, "b r k k"],
    generator: torch.Generator,
) -> Float[Tensor, "b k k m"]:
    """The bias that painting adds to the logits: for the tokens of a painted thing `+s` inside its region and
    `-s` elsewhere, for all other tokens 0. A region is a box around the thing, the quarter that holds its
    centre, a blob, or its mask."""
    batch, device = len(names), names.device

    def chance(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=device)

    things = masks[:, :MOST_THINGS]
    is_there = things.amax((2, 3)) > 0.2
    chosen = (chance(batch, 1) < config.share) & (chance(batch, MOST_THINGS) < config.words) & is_there
    kinds = torch.stack(
        [_boxes(things, chance(batch, MOST_THINGS, 4)), _quarters(things), _blobs(things), things > 0.3]
    )
    kind = (chance(batch, MOST_THINGS) * len(kinds)).long()
    region = kinds.gather(0, kind[None, :, :, None, None].expand(1, -1, -1, SIDE, SIDE))[0].float()
    low, high = config.strength
    strength = (low + (high - low) * chance(batch, MOST_THINGS)) * chosen
    bias = (2 * region - 1) * strength[:, :, None, None]  # b t k k
    is_named = names[:, None] == torch.arange(MOST_THINGS, device=device)[:, None]  # b t m
    return torch.einsum("btij,btm->bijm", bias, is_named.to(bias.dtype))


def _extent(things: Float[Tensor, "b t k k"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The first and the last row and column that show a thing, as shares of the side."""
    shown, place = things > 0.2, torch.arange(SIDE, device=things.device)
    down, across = shown.any(3), shown.any(2)
    ends = []
    for line in (down, across):
        ends += [torch.where(line, place, SIDE).amin(2), torch.where(line, place, -1).amax(2)]
    return ends[0], ends[1], ends[2], ends[3]


def _boxes(things: Float[Tensor, "b t k k"], jitter: Float[Tensor, "b t four"]) -> Bool[Tensor, "b t k k"]:
    """Boxes that are up to three cells too large on each side."""
    extra = (4 * jitter).long()
    top, bottom, left, right = _extent(things)
    place = torch.arange(SIDE, device=things.device)
    rows = (place >= (top - extra[..., 0])[..., None]) & (place <= (bottom + extra[..., 1])[..., None])
    columns = (place >= (left - extra[..., 2])[..., None]) & (place <= (right + extra[..., 3])[..., None])
    return rows[..., :, None] & columns[..., None, :]


def _quarters(things: Float[Tensor, "b t k k"]) -> Bool[Tensor, "b t k k"]:
    place = torch.arange(SIDE, device=things.device)
    total = things.sum((2, 3)).clamp(min=1e-3)
    down = (things.sum(3) * place).sum(2) / total
    across = (things.sum(2) * place).sum(2) / total
    half = SIDE // 2
    rows = (place >= half) == (down >= half - 0.5)[..., None]
    columns = (place >= half) == (across >= half - 0.5)[..., None]
    return rows[..., :, None] & columns[..., None, :]


def _blobs(things: Float[Tensor, "b t k k"]) -> Bool[Tensor, "b t k k"]:
    """Regions as a broad brush would paint them."""
    return F.avg_pool2d(F.max_pool2d(things, 3, 1, 1), 3, 1, 1) > 0.2
