"""What is the same in several rows of a call, computed once, until they read their contexts."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.unet.blocks import DownBlock
from limelight.unet.transformer import SpatialTransformer, TransformerBlock


@dataclass(frozen=True, slots=True)
class SharedRows:
    """Which rows are alike: those of guidance, which ask about one latent.

    Attributes:
        first: the rows to compute.
        place: for every row, which of those it is like.
    """

    first: Tensor
    place: Tensor

    @classmethod
    def of(cls, x: Tensor, temb: Tensor) -> "SharedRows | None":
        """None where every row differs from the one before it."""
        alike = (x[1:] == x[:-1]).flatten(1).all(1) & (temb[1:] == temb[:-1]).all(1)
        if not alike.any():
            return None
        is_first = torch.cat((alike.new_ones(1), ~alike))
        return cls(is_first.nonzero().flatten(), is_first.cumsum(0) - 1)


def down(block: DownBlock, x: Tensor, temb: Tensor, shared: SharedRows) -> tuple[Tensor, list[Tensor]]:
    """`block`, which has no attention, for the distinct rows alone; skips are of all rows."""
    x, skips = block(x, temb[shared.first], None, None)
    return x, [skip[shared.place] for skip in skips]


def down_to_context(
    block: DownBlock,
    x: Tensor,
    temb: Tensor,
    context: Tensor | None,
    attention: AttentionRuntime | None,
    shared: SharedRows,
) -> tuple[Tensor, list[Tensor]]:
    """The first block with attention: distinct rows come in, all rows go out."""
    x = block.resnets[0](x, temb[shared.first])
    first = block.attentions[0]
    assert isinstance(first, SpatialTransformer)
    x = _transform(first, x, context, attention, shared)
    skips = [x]
    for resnet, attend in zip(block.resnets[1:], block.attentions[1:], strict=True):
        x = attend(resnet(x, temb), context, attention)
        skips.append(x)
    for downsample in block.downsamplers:
        x = downsample(x)
        skips.append(x)
    return x, skips


def _transform(
    layer: SpatialTransformer,
    x: Tensor,
    context: Tensor | None,
    attention: AttentionRuntime | None,
    shared: SharedRows,
) -> Tensor:
    grid = (x.shape[2], x.shape[3])
    y = layer.enter(x)
    first, *others = layer.transformer_blocks
    assert isinstance(first, TransformerBlock)  # can_share has seen it
    y = (y + first.attn1(first.norm1(y), None, attention, grid, shared.place))[shared.place]
    y = first.look_at_context(y, context, attention, grid)
    for block in others:
        y = block(y, context, attention, grid)
    return x[shared.place] + layer.leave(y, grid)


def can_share(blocks: Iterable[nn.Module]) -> bool:
    """Whether the first attention layer looks at the image before it reads the context."""
    for layer in (layer for block in blocks for layer in block.modules()):
        if isinstance(layer, SpatialTransformer):
            first = next(iter(layer.transformer_blocks), None)
            return isinstance(first, TransformerBlock) and not first.attn1.is_cross
    return False
