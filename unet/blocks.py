"""The levels of the U-Net: on the way down, in the middle, on the way up."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.unet.config.unet_config import LevelConfig, UNetConfig
from limelight.unet.freeu import FreeU
from limelight.unet.resnet import Downsample, ResnetBlock, Upsample
from limelight.unet.transformer import SpatialTransformer


class Block(nn.Module):
    """One level of the U-Net: residual blocks, each followed by attention where the level has some.

    Args:
        in_channels: features that each residual block takes.
        name: dotted name of this block in the U-Net.
    """

    def __init__(
        self, level: LevelConfig, config: UNetConfig, in_channels: Sequence[int], *, name: str
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(ResnetBlock(c, level.channels, config) for c in in_channels)
        self.attentions = nn.ModuleList(
            SpatialTransformer(
                level.channels,
                config.context_dim,
                level.num_heads,
                depth,
                norm_num_groups=config.norm_num_groups,
                linear=config.linear_projection,
                only_cross_attention=level.only_cross_attention,
                name=f"{name}.attentions.{j}",
            )
            for j, depth in enumerate(level.depths)
        )

    def layer(
        self,
        j: int,
        x: Float[Tensor, "b i h w"],
        temb: Float[Tensor, "b e"],
        context: Float[Tensor, "b m k"] | None,
        attention: AttentionRuntime | None,
    ) -> Float[Tensor, "b c h w"]:
        """One residual block, and its attention."""
        x = self.resnets[j](x, temb)
        return self.attentions[j](x, context, attention) if self.attentions else x


class DownBlock(Block):
    """One level on the way down.

    Args:
        in_channels: features that come in.
        is_last: whether it is the lowest level, which does not downsample.
    """

    def __init__(
        self, level: LevelConfig, config: UNetConfig, *, in_channels: int, is_last: bool, name: str
    ) -> None:
        super().__init__(level, config, [in_channels] + [level.channels] * (level.num_resnets - 1), name=name)
        self.downsamplers = nn.ModuleList([] if is_last else [Downsample(level.channels)])

    def forward(
        self,
        x: Float[Tensor, "b i h w"],
        temb: Float[Tensor, "b e"],
        context: Float[Tensor, "b m k"] | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
    ) -> Float[Tensor, "b c h2 w2"]:
        """Adds the features of each layer to the end of `skips`."""
        for j in range(len(self.resnets)):
            x = self.layer(j, x, temb, context, attention)
            skips.append(x)
        for downsample in self.downsamplers:
            x = downsample(x)
            skips.append(x)
        return x


class MidBlock(Block):
    """The lowest level between down and up: residual blocks with attention in between."""

    def __init__(self, level: LevelConfig, config: UNetConfig, *, name: str) -> None:
        super().__init__(level, config, [level.channels] * level.num_resnets, name=name)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        temb: Float[Tensor, "b e"],
        context: Float[Tensor, "b m k"] | None,
        attention: AttentionRuntime | None,
    ) -> Float[Tensor, "b c h w"]:
        x = self.resnets[0](x, temb)
        for attend, resnet in zip(self.attentions, self.resnets[1:], strict=True):
            x = resnet(attend(x, context, attention), temb)
        return x


class UpBlock(Block):
    """One level on the way up.

    Args:
        in_channels: features of the level below.
        skip_channels: features of each skip, in the order in which they are used.
        is_last: whether it is the highest level, which does not upsample.

    Attributes:
        stage: the index of this level on the way up; the lowest is 0.
    """

    def __init__(
        self,
        level: LevelConfig,
        config: UNetConfig,
        *,
        in_channels: int,
        skip_channels: Sequence[int],
        stage: int,
        is_last: bool,
        name: str,
    ) -> None:
        self.stage = stage
        below = [in_channels] + [level.channels] * (level.num_resnets - 1)
        super().__init__(level, config, [b + s for b, s in zip(below, skip_channels, strict=True)], name=name)
        self.upsamplers = nn.ModuleList([] if is_last else [Upsample(level.channels)])

    def forward(
        self,
        x: Float[Tensor, "b i h w"],
        temb: Float[Tensor, "b e"],
        context: Float[Tensor, "b m k"] | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
        freeu: FreeU | None = None,
    ) -> Float[Tensor, "b c h2 w2"]:
        """Takes the skips of its layers from the end of `skips`."""
        for j in range(len(self.resnets)):
            x = self.layer(j, self.joined(x, skips.pop(), freeu), temb, context, attention)
        for upsample in self.upsamplers:
            x = upsample(x, (skips[-1].shape[2], skips[-1].shape[3]))
        return x

    def joined(
        self, x: Float[Tensor, "b c h w"], skip: Float[Tensor, "b s h w"], freeu: FreeU | None
    ) -> Float[Tensor, "b c_and_s h w"]:
        """What a layer reads."""
        return torch.cat((x, skip), dim=1) if freeu is None else freeu.join(self.stage, x, skip)
