"""Convolutional layers: the residual block, downsampling and upsampling."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limelight.unet.config.unet_config import UNetConfig


def activation(name: str) -> nn.Module:
    return {"silu": nn.SiLU, "gelu": nn.GELU, "mish": nn.Mish, "relu": nn.ReLU}[name]()


class ResnetBlock(nn.Module):
    """Two normalised convolutions with a shortcut; the timestep is added between them.

    Source: Ho et al. 2020, arXiv:2006.11239, appendix B; scale and shift: Dhariwal and Nichol 2021,
    arXiv:2105.05233, section 3.1.
    """

    def __init__(self, in_channels: int, out_channels: int, config: UNetConfig) -> None:
        super().__init__()
        groups, eps = config.norm_num_groups, config.norm_eps
        self.time_scale_shift = config.time_scale_shift
        self.norm1 = nn.GroupNorm(groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(
            config.time_embed_dim, out_channels * (2 if self.time_scale_shift else 1)
        )
        self.norm2 = nn.GroupNorm(groups, out_channels, eps)
        self.dropout = nn.Dropout(config.dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.act = activation(config.act_fn)
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Float[Tensor, "b i h w"], temb: Float[Tensor, "b e"]) -> Float[Tensor, "b o h w"]:
        """`temb` has been activated already, once for all blocks."""
        y = self.conv1(self.act(self.norm1(x)))
        t = self.time_emb_proj(temb)[:, :, None, None]
        if self.time_scale_shift:
            scale, shift = t.chunk(2, dim=1)
            y = self.norm2(y) * (1 + scale) + shift
        else:
            y = self.norm2(y + t)
        y = self.conv2(self.dropout(self.act(y)))
        return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Downsample(nn.Module):
    """Halves the resolution; an odd size is rounded up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(x)


class Upsample(nn.Module):
    """Raises the resolution to `size`, the size that the level had on the way down."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "b c h w"], size: tuple[int, int]) -> Float[Tensor, "b c h2 w2"]:
        return self.conv(F.interpolate(x, size=size, mode="nearest"))
