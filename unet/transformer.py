"""Transformer layers. Each attention layer calls the `AttentionRuntime` that the caller passes in.

Shape letters: b batch, c channels, h w height and width, n image positions (h x w), m context tokens,
d head dim.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from limelight.attention import AttentionRuntime, MultiHeadAttention, RowGroup, attend


class Attention(MultiHeadAttention):
    """Attention from image positions to a context; the context is the image itself for self-attention.

    Args:
        context_dim: features of a context token; None for self-attention.
        site: dotted name of this layer in the U-Net.
    """

    def __init__(self, dim: int, context_dim: int | None, num_heads: int, site: str) -> None:
        super().__init__(dim, num_heads=num_heads, context_dim=context_dim)
        self.is_cross = context_dim is not None
        self.site = site

    def forward(  # type: ignore[override]  # each site has its backend, and may be recorded
        self,
        x: Float[Tensor, "b n c"],
        context: Float[Tensor, "b m e"] | None,
        attention: AttentionRuntime | None,
        grid: tuple[int, int],
        inverse: Int[Tensor, " rows"] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """`inverse` as `AttentionRuntime.attend_self` takes it."""
        q = self.queries(x)
        if self.is_cross and attention is not None:
            out = self._attend_context(q, context, attention, grid)
        else:
            source = context if self.is_cross else x
            assert source is not None  # UNet.forward has refused what has neither
            k, v = self.keys_values(source)
            if attention is None:
                out = attend(q, k, v, scale=self.scale)
            else:
                out = attention.attend_self(self.site, q, k, v, inverse, scale=self.scale, grid=grid)
        return self.project_out(out)

    def _attend_context(
        self, q: Tensor, context: Tensor | None, attention: AttentionRuntime, grid: tuple[int, int]
    ) -> Tensor:
        groups = attention.context
        if groups is None:
            assert context is not None  # UNet.forward has refused what has neither
            made = self.keys_values(context)
            groups = (RowGroup(lambda site: made),)
        weight = self.to_out.get_parameter("0.weight")
        return attention.attend_cross(self.site, q, groups, scale=self.scale, grid=grid, out_weight=weight)


class GEGLU(nn.Module):
    """A linear layer; one half of its output gates the other half.

    Source: Shazeer 2020, arXiv:2002.05202, equation 6.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * hidden_dim)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n k"]:
        y, gate = self.proj(x).chunk(2, dim=-1)
        return y * F.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        # Identity stands for a dropout: checkpoints call the layers net.0 and net.2.
        self.net = nn.Sequential(GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention, then a feed-forward layer for each position.

    Source: Rombach et al. 2022, arXiv:2112.10752, section 3.3 and appendix E.2.1.
    """

    def __init__(
        self, dim: int, context_dim: int, num_heads: int, *, only_cross_attention: bool, name: str
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, context_dim if only_cross_attention else None, num_heads, f"{name}.attn1")
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = Attention(dim, context_dim, num_heads, f"{name}.attn2")
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        context: Float[Tensor, "b m e"] | None,
        attention: AttentionRuntime | None,
        grid: tuple[int, int],
    ) -> Float[Tensor, "b n c"]:
        x = x + self.attn1(self.norm1(x), context, attention, grid)
        return self.look_at_context(x, context, attention, grid)

    def look_at_context(
        self,
        x: Float[Tensor, "b n c"],
        context: Float[Tensor, "b m e"] | None,
        attention: AttentionRuntime | None,
        grid: tuple[int, int],
    ) -> Float[Tensor, "b n c"]:
        """The rest of the block after `attn1`."""
        x = x + self.attn2(self.norm2(x), context, attention, grid)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """Transformer blocks over the positions of an image, with a residual connection.

    Args:
        depth: number of transformer blocks.
        linear: project in and out with linear layers instead of 1x1 convolutions (the same function,
            stored with another shape).
    """

    def __init__(
        self,
        channels: int,
        context_dim: int,
        num_heads: int,
        depth: int,
        *,
        norm_num_groups: int,
        linear: bool,
        only_cross_attention: bool,
        name: str,
    ) -> None:
        super().__init__()
        self.linear = linear
        self.norm = nn.GroupNorm(norm_num_groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels) if linear else nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(
                channels,
                context_dim,
                num_heads,
                only_cross_attention=only_cross_attention,
                name=f"{name}.transformer_blocks.{k}",
            )
            for k in range(depth)
        )
        self.proj_out = nn.Linear(channels, channels) if linear else nn.Conv2d(channels, channels, 1)

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        context: Float[Tensor, "b m e"] | None,
        attention: AttentionRuntime | None,
    ) -> Float[Tensor, "b c h w"]:
        grid = (x.shape[2], x.shape[3])
        y = self.enter(x)
        for block in self.transformer_blocks:
            y = block(y, context, attention, grid)
        return x + self.leave(y, grid)

    def enter(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b n c"]:
        """The input of the first transformer block."""
        y = self.norm(x)
        return self.proj_in(_to_sequence(y)) if self.linear else _to_sequence(self.proj_in(y))

    def leave(self, y: Float[Tensor, "b n c"], grid: tuple[int, int]) -> Float[Tensor, "b c h w"]:
        """The residual that is added to the input, from the output of the last transformer block."""
        return _to_image(self.proj_out(y), grid) if self.linear else self.proj_out(_to_image(y, grid))


def _to_sequence(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(1, 2)  # b c h w -> b (h w) c


def _to_image(x: Tensor, grid: tuple[int, int]) -> Tensor:
    return x.unflatten(1, grid).permute(0, 3, 1, 2)  # b (h w) c -> b c h w
