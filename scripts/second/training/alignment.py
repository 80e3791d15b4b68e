"""Oracle alignment: linear readers must tell from the denoiser's features, cell by cell, what the composer
put there.

Representation alignment (Yu et al. 2024, arXiv:2410.06940) with exact scene maps in the teacher's place: the
noun, its colour and where in the thing the cell is, or the layer of the place. The readers are thrown away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scripts.second.training.attention import SIDE
from scripts.second.training.data import Batch
from scripts.second.world.layout import LAYERS, PIXELS, Layout
from scripts.second.world.nouns import NOUNS
from scripts.second.world.painter import Pictures
from scripts.second.world.places import PLACE_INDEX, PLACES
from scripts.second.world.vocabulary import COLOURS, MATERIALS
from scripts.training.tools.precision import mixed

KINDS = len(NOUNS) + len(PLACES) * LAYERS + 1
LOOKS = len(COLOURS) + len(MATERIALS) + 1
SITES = ("down_blocks.1.attentions.0", "up_blocks.1.attentions.0")


@dataclass(frozen=True)
class Oracle:
    """The contents of each cell. `kind`: a noun, a layer of a place, or a plain ground; `look`: a colour or
    material, where the last index is the art's own; `where`: position (x, y) within the thing, -1..1;
    `is_thing`: whether a thing is there."""

    kind: Int[Tensor, "b k k"]
    look: Int[Tensor, "b k k"]
    where: Float[Tensor, "b two k k"]
    is_thing: Float[Tensor, "b k k"]


def oracle(batch: Batch) -> Oracle:
    """The true contents of each cell of a batch."""
    index = [PLACE_INDEX[scene.place] if scene.place else -1 for scene in batch.scenes]
    places = torch.tensor(index, device=batch.pictures.images.device)
    return oracle_of(batch.layout.to(places.device), batch.pictures, places)


def oracle_of(layout: Layout, pictures: Pictures, places: Int[Tensor, " b"]) -> Oracle:
    """The true contents of each cell.

    Args:
        places: the place's index of each scene, -1 for a plain ground.
    """
    slots = F.adaptive_avg_pool2d(pictures.things, SIDE)
    layers = F.adaptive_avg_pool2d(pictures.layers, SIDE)
    amount, slot = slots.max(1)
    is_thing = amount > 0.35

    def of(values: Tensor) -> Tensor:
        return values.to(slot.device).gather(1, slot.flatten(1)).view_as(slot)

    ground = torch.where(places < 0, KINDS - 1, len(NOUNS) + places * LAYERS)[:, None, None]
    ground = ground + torch.where(places[:, None, None] < 0, 0, layers.argmax(1))
    look = torch.where(layout.material >= 0, len(COLOURS) + layout.material, layout.colour)
    look = torch.where(look < 0, LOOKS - 1, look)
    centres = (torch.arange(SIDE, device=slot.device) + 0.5) * PIXELS / SIDE
    half = of(layout.side).clamp(min=1) / 2
    right = (centres[None, None, :] - of(layout.x)) / half
    down = (centres[None, :, None] - of(layout.y)) / half
    return Oracle(
        torch.where(is_thing, of(layout.noun), ground),
        torch.where(is_thing, of(look), LOOKS - 1),
        torch.stack([right, down], 1).clamp(-1.5, 1.5),
        is_thing.float(),
    )


class Readers(nn.Module):
    """Linear readers of the features of two sites, on a grid of half the side: each position predicts four
    cells."""

    def __init__(self, channels: tuple[int, ...]):
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 256), nn.SiLU(), nn.Linear(256, 4 * (KINDS + LOOKS + 2)))
            for width in channels
        )

    def forward(self, queries: Sequence[Float[Tensor, "b h n d"]], truth: Oracle) -> Float[Tensor, " b"]:
        """The mean error over cells and sites, one value a scene."""
        total = truth.is_thing.new_zeros(len(truth.kind))
        for found, head in zip(queries, self.heads, strict=True):
            with mixed(found.device):
                read = head(found.transpose(1, 2).flatten(2)).float()  # b n (4 c)
            half = SIDE // 2
            cells = F.pixel_shuffle(read.transpose(1, 2).unflatten(2, (half, half)), 2)
            kind, look, where = cells.split((KINDS, LOOKS, 2), 1)
            error = F.cross_entropy(kind, truth.kind, reduction="none")
            error = error + 0.5 * F.cross_entropy(look, truth.look, reduction="none") * truth.is_thing
            error = error + (where - truth.where).square().sum(1) * truth.is_thing
            total = total + error.mean((1, 2))
        return total / len(self.heads)
