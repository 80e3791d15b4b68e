"""The levels of the U-Net: on the way down, in the middle, on the way up."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.unet.config.unet_config import LevelConfig, UNetConfig
from limelight.unet.resnet import Downsample, ResnetBlock, Upsample
from limelight.unet.transformer import SpatialTransformer


def _attentions(level: LevelConfig, config: UNetConfig, name: str) -> nn.ModuleList:
    return nn.ModuleList(
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


class DownBlock(nn.Module):
    """One level on the way down.

    Args:
        in_channels: features that come in.
        is_last: the lowest level, which has nothing to go down to.
        name: dotted name of this block in the U-Net.
    """

    def __init__(
        self, level: LevelConfig, config: UNetConfig, *, in_channels: int, is_last: bool, name: str
    ) -> None:
        super().__init__()
        channels = [in_channels, *[level.channels] * level.num_resnets]
        self.resnets = nn.ModuleList(
            ResnetBlock(channels[j], channels[j + 1], config) for j in range(level.num_resnets)
        )
        self.attentions = _attentions(level, config, name)
        self.downsamplers = nn.ModuleList([] if is_last else [Downsample(level.channels)])

    def forward(
        self,
        x: Float[Tensor, "b i h w"],
        temb: Float[Tensor, "b e"],
        context: Float[Tensor, "b m k"] | None,
        attention: AttentionRuntime | None,
    ) -> tuple[Float[Tensor, "b c h2 w2"], list[Tensor]]:
        """Returns the features for the next level and the skips, all features that the way up will want."""
        skips = []
        for j, resnet in enumerate(self.resnets):
            x = resnet(x, temb)
            if self.attentions:
                x = self.attentions[j](x, context, attention)
            skips.append(x)
        for downsample in self.downsamplers:
            x = downsample(x)
            skips.append(x)
        return x, skips


class MidBlock(nn.Module):
    """The lowest level between down and up: residual blocks with attention in between."""

    def __init__(self, level: LevelConfig, config: UNetConfig, *, name: str) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            ResnetBlock(level.channels, level.channels, config) for _ in range(level.num_resnets)
        )
        self.attentions = _attentions(level, config, name)

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


class UpBlock(nn.Module):
    """One level on the way up.

    Args:
        in_channels: features that come from below.
        skip_channels: features of each skip, in the order in which they are used.
        is_last: the highest level, which has nothing to go up to.
        name: dotted name of this block in the U-Net.
    """

    def __init__(
        self,
        level: LevelConfig,
        config: UNetConfig,
        *,
        in_channels: int,
        skip_channels: list[int],
        is_last: bool,
        name: str,
    ) -> None:
        super().__init__()
        channels = [in_channels, *[level.channels] * (level.num_resnets - 1)]
        self.resnets = nn.ModuleList(
            ResnetBlock(below + skip, level.channels, config)
            for below, skip in zip(channels, skip_channels, strict=True)
        )
        self.attentions = _attentions(level, config, name)
        self.upsamplers = nn.ModuleList([] if is_last else [Upsample(level.channels)])

    def forward(
        self,
        x: Float[Tensor, "b i h w"],
        temb: Float[Tensor, "b e"],
        context: Float[Tensor, "b m k"] | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
    ) -> Float[Tensor, "b c h2 w2"]:
        """Takes what it needs off the end of `skips`."""
        for j in range(len(self.resnets)):
            x = self.layer(j, x, temb, context, attention, skips.pop())
        for upsample in self.upsamplers:
            x = upsample(x, (skips[-1].shape[2], skips[-1].shape[3]))
        return x

    def layer(
        self,
        j: int,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        skip: Tensor,
    ) -> Tensor:
        """One residual block, and the attention behind it where this level has some."""
        x = self.resnets[j](torch.cat((x, skip), dim=1), temb)
        return self.attentions[j](x, context, attention) if self.attentions else x
