"""A loss that moves the map of a word to the object that it names (after TokenCompose, Wang et al. 2024,
arXiv:2312.03626)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from scripts.second.training.attention import SIDE
from scripts.second.training.data import Batch
from scripts.second.world.captions import BACKDROP, MOST_THINGS, NOTHING
from scripts.second.world.layout import LAYERS
from scripts.second.world.painter import Pictures
from scripts.second.world.places import PLACE_INDEX, PLACES


def masks(batch: Batch) -> Float[Tensor, "b r k k"]:
    """The share of each position that shows each thing, each layer of the place (layers of the same word
    together), and all layers."""
    alike = torch.stack([same_words(scene.place) for scene in batch.scenes])
    return masks_of(batch.pictures, batch.layout.owner, alike)


def masks_of(
    pictures: Pictures, owner: Int[Tensor, "b k"], alike: Float[Tensor, "b l l"]
) -> Float[Tensor, "b r k k"]:
    """As `masks`; `alike` says which layers have the same word."""
    slots = F.adaptive_avg_pool2d(pictures.things, SIDE)
    layers = F.adaptive_avg_pool2d(pictures.layers, SIDE)
    numbers = torch.arange(MOST_THINGS, device=slots.device)
    belongs = owner.to(slots.device)[:, None] == numbers[:, None]  # b t k
    things = torch.einsum("btk,bkij->btij", belongs.to(slots.dtype), slots)
    stuff = torch.einsum("blm,bmij->blij", alike.to(slots.device), layers)
    return torch.cat([things, stuff, layers.sum(1, keepdim=True)], 1).clamp(0, 1)


def same_words(place: str | None) -> Float[Tensor, "l l"]:
    """Which layers of a place have the same word."""
    if place is None:
        return torch.eye(LAYERS)
    words: list[str | int] = [
        layer.word or index for index, layer in enumerate(PLACES[PLACE_INDEX[place]].layers)
    ]
    words += list(range(len(words), LAYERS))
    return torch.tensor([[float(a == b) for b in words] for a in words])


def grounding_loss(
    maps: Float[Tensor, "b n m"],
    names: Int[Tensor, "b m"],
    truth: Float[Tensor, "b r k k"],
    is_kept: Float[Tensor, " b"],
) -> Float[Tensor, ""]:
    """The Kullback-Leibler divergence of a word's map from the mask of what it names, both as distributions
    over positions; the mean over words.

    Args:
        is_kept: 1 for captions that were kept, 0 for dropped ones.
    """
    assert truth.shape[1] == BACKDROP + 1
    found = maps.transpose(1, 2).float()  # b m n
    wanted = truth[torch.arange(len(names), device=names.device)[:, None], names.clamp(min=0)].flatten(2)
    total = wanted.sum(2, keepdim=True)
    weight = (names != NOTHING) * is_kept[:, None] * (total[..., 0] > 0.5)
    wanted = wanted / total.clamp(min=1e-6)
    found = found / found.sum(2, keepdim=True).clamp(min=1e-6)
    divergence = (torch.xlogy(wanted, wanted) - wanted * (found + 1e-8).log()).sum(2)
    return (divergence * weight).sum() / weight.sum().clamp(min=1)
