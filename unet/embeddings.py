"""Embeds numbers as features: timesteps, sizes, guidance."""

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limelight.unet.resnet import activation


def sinusoids(
    values: Shaped[Tensor, " b"], dim: int, *, flip_sin_to_cos: bool, freq_shift: float
) -> Float[Tensor, "b {dim}"]:
    """Sines and cosines of `values` at frequencies from 1 down to about 1 / 10,000, always float32.

    Args:
        flip_sin_to_cos: whether cosines come first, as in Stable Diffusion; otherwise sines do.
        freq_shift: 0 ends just above the lowest frequency, 1 ends on it.

    Source: Ho et al. 2020, arXiv:2006.11239, appendix B, after Vaswani et al. 2017, arXiv:1706.03762, 3.5.
    """
    half = dim // 2
    # This order of operations rounds in float32 as it did in training, which matters for timesteps near 1000.
    exponents = -math.log(10_000) * torch.arange(half, dtype=torch.float32, device=values.device)
    angles = values[:, None].float() * torch.exp(exponents / (half - freq_shift))
    parts = (angles.cos(), angles.sin()) if flip_sin_to_cos else (angles.sin(), angles.cos())
    return torch.cat(parts, dim=-1)


def guidance_embedding(guidance_scale: Float[Tensor, " b"], dim: int) -> Float[Tensor, "b {dim}"]:
    """The `time_cond` of an LCM model, for the guidance scale that it should imitate.

    Source: Luo et al. 2023, arXiv:2310.04378, section 4.2, with w = guidance_scale - 1.
    """
    return sinusoids(1000 * (guidance_scale - 1), dim, flip_sin_to_cos=False, freq_shift=1.0)


class TimestepEmbedding(nn.Module):
    """Two layers that map sinusoids, or other features, to an embedding.

    Args:
        cond_dim: features of a condition that is added to the input; None for no condition.
    """

    def __init__(self, in_dim: int, out_dim: int, *, act_fn: str, cond_dim: int | None = None) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_dim, out_dim)
        self.cond_proj = None if cond_dim is None else nn.Linear(cond_dim, in_dim, bias=False)
        self.act = activation(act_fn)
        self.linear_2 = nn.Linear(out_dim, out_dim)

    def forward(
        self, x: Float[Tensor, "b i"], cond: Float[Tensor, "b e"] | None = None
    ) -> Float[Tensor, "b o"]:
        if self.cond_proj is not None:
            x = x + self.cond_proj(cond)
        return self.linear_2(self.act(self.linear_1(x)))
