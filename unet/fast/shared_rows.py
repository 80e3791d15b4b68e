"""Computes equal rows of a call once, up to the first layer that reads their contexts."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.unet.blocks import DownBlock
from limelight.unet.transformer import SpatialTransformer, TransformerBlock


@dataclass(frozen=True, slots=True)
class SharedRows:
    """The equal rows of a call, such as those of guidance, which share a latent.

    Attributes:
        first: the distinct rows.
        place: for every row, the index of its equal among the distinct rows.
    """

    first: Tensor
    place: Tensor

    def descend(
        self,
        blocks: Iterable[nn.Module],
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
    ) -> tuple[Tensor, list[Tensor]]:
        """The features and the skips of the way down, of all rows.

        Args:
            blocks: down blocks for which `can_share` holds.
            x: the output of `conv_in` for the distinct rows.
        """
        skips, is_shared, own = [x[self.place]], True, temb[self.first]
        for block in blocks:
            assert isinstance(block, DownBlock)
            if not is_shared:
                x = block(x, temb, context, attention, skips)
            elif block.attentions:
                x = self._to_context(block, x, own, temb, context, attention, skips)
                is_shared = False
            else:
                made: list[Tensor] = []
                x = block(x, own, None, None, made)
                skips += [skip[self.place] for skip in made]
        return x, skips

    def _to_context(
        self,
        block: DownBlock,
        x: Tensor,
        own: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
    ) -> Tensor:
        """The first block with attention: it takes the distinct rows and returns all rows."""
        layer = block.attentions[0]
        assert isinstance(layer, SpatialTransformer)
        x = self._transform(layer, block.resnets[0](x, own), context, attention)
        skips.append(x)
        for j in range(1, len(block.resnets)):
            x = block.layer(j, x, temb, context, attention)
            skips.append(x)
        for downsample in block.downsamplers:
            x = downsample(x)
            skips.append(x)
        return x

    def _transform(
        self,
        layer: SpatialTransformer,
        x: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
    ) -> Tensor:
        grid = (x.shape[2], x.shape[3])
        y = layer.enter(x)
        first, *others = layer.transformer_blocks
        assert isinstance(first, TransformerBlock)  # can_share has checked it
        y = (y + first.attn1(first.norm1(y), None, attention, grid, self.place))[self.place]
        y = first.look_at_context(y, context, attention, grid)
        for block in others:
            y = block(y, context, attention, grid)
        return x[self.place] + layer.leave(y, grid)


def can_share(blocks: Iterable[nn.Module]) -> bool:
    """Whether the first transformer block has self-attention before it reads the context."""
    for layer in (layer for block in blocks for layer in block.modules()):
        if isinstance(layer, SpatialTransformer):
            first = next(iter(layer.transformer_blocks), None)
            return isinstance(first, TransformerBlock) and not first.attn1.is_cross
    return False
