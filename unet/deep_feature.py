"""DeepCache: a prediction may take the deep features of an earlier timestep instead of computing them.

Source: Ma et al. 2023, arXiv:2312.00858, with the shallowest of its branches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float, Shaped
from torch import Tensor

from limelight.attention import AttentionRuntime
from limelight.unet.blocks import UpBlock
from limelight.unet.freeu import FreeU
from limelight.unet.inputs import check_inputs
from limelight.unet.unet import UNet


class Embedded(NamedTuple):
    """The inputs that `UNet.embed` turns into the embedding of each row."""

    timesteps: Tensor
    pooled: Tensor | None
    size_ids: Tensor | None
    time_cond: Tensor | None


@dataclass(slots=True)
class DeepFeature:
    """The input of the last layer on the way up, which changes little from one timestep to the next.

    Args:
        kept: the feature that a call has stored; None before.
    """

    kept: Float[Tensor, "b c h w"] | None = None

    def check(self, x: Tensor) -> None:
        """Raises ValueError if the kept feature does not have the rows and size of `x`, b c h w."""
        if self.kept is None:
            return
        kept, wanted = ((len(each), *each.shape[2:]) for each in (self.kept, x))
        if kept != wanted:
            raise ValueError(
                f"the deep feature has {kept[0]} rows of {kept[1]}x{kept[2]} and x {wanted[0]} of "
                f"{wanted[1]}x{wanted[2]}; give one that a call with the same rows and size has stored"
            )


class DeepCacheUNet(UNet):
    """A U-Net whose calls can store their deep feature, or reuse that of an earlier call."""

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        timesteps: Shaped[Tensor, " b"],
        context: Float[Tensor, "b m k"] | None,
        pooled: Float[Tensor, "b p"] | None = None,
        size_ids: Shaped[Tensor, "b s"] | None = None,
        attention: AttentionRuntime | None = None,
        *,
        time_cond: Float[Tensor, "b e"] | None = None,
        freeu: FreeU | None = None,
        deep: DeepFeature | None = None,
    ) -> Float[Tensor, "b o h w"]:
        """The prediction for `x`; the other arguments are those of `UNet.forward`.

        Args:
            deep: if empty, it receives the deep feature of this call. If it holds one, only `conv_in`, the
                last layer on the way up and the output are computed. That is faster, and changes the
                prediction.

        Raises:
            ValueError: an input does not fit; the message says what would.
        """
        check_inputs(self.config, self.dtype, x, timesteps, context, pooled, size_ids, attention, time_cond)
        if deep is not None:
            deep.check(x)
        embedded = Embedded(timesteps, pooled, size_ids, time_cond)
        return self.predict(x, embedded, context, attention, deep, freeu)

    def predict(
        self,
        x: Tensor,
        embedded: Embedded,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        deep: DeepFeature | None,
        freeu: FreeU | None,
    ) -> Tensor:
        """The prediction for inputs that have been checked."""
        return self.walk(x, self.embed(*embedded), context, attention, deep, freeu)

    def walk(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        deep: DeepFeature | None,
        freeu: FreeU | None = None,
    ) -> Float[Tensor, "b o h w"]:
        """The prediction from the activated embedding of the timestep, `temb`."""
        x = self.conv_in(x)
        if deep is not None and deep.kept is not None:
            return self.surface(deep.kept, x, temb, context, attention, freeu)
        skips = [x]
        for down in self.down_blocks:
            x = down(x, temb, context, attention, skips)
        return self.rise(x, temb, context, attention, skips, deep, freeu)

    def rise(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
        deep: DeepFeature | None,
        freeu: FreeU | None = None,
    ) -> Tensor:
        """The prediction from the features and the skips of the way down; it empties `skips`."""
        if self.mid_block is not None:
            x = self.mid_block(x, temb, context, attention)
        for up in self.up_blocks[:-1]:
            x = up(x, temb, context, attention, skips, freeu)
        self.release((x, *skips))
        block = self._highest
        for j in range(len(block.resnets) - 1):
            x = block.layer(j, block.joined(x, skips.pop(), freeu), temb, context, attention)
        if deep is not None:
            deep.kept = x
        return self.surface(x, skips.pop(), temb, context, attention, freeu)

    def release(self, features: Sequence[Tensor]) -> None:
        """Is called before the highest level, with all features that the call holds. It may free other
        memory."""

    def surface(
        self,
        x: Tensor,
        skip: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        freeu: FreeU | None = None,
    ) -> Tensor:
        """The prediction from the deep feature `x` and the output of `conv_in`."""
        block = self._highest
        x = block.layer(-1, block.joined(x, skip, freeu), temb, context, attention)
        return self.project_out(x)

    @property
    def _highest(self) -> UpBlock:
        block = self.up_blocks[-1]
        assert isinstance(block, UpBlock)
        return block
