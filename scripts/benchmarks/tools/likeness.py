"""Measures how similar two pictures are."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2  # of a range of 1


def psnr(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Peak signal-to-noise ratio of pairs of pictures of range 0..1, in dB; infinite where they are equal."""
    return -10 * (a - b).square().flatten(1).mean(1).log10()


def ssim(a: Float[Tensor, "b c h w"], b: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """Structural similarity of each pair of pictures of range 0..1, mean over channels and whole windows.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity",
    equation 13, with the paper's window and constants.
    """
    at = torch.arange(WINDOW) - WINDOW // 2
    line = torch.exp(-(at**2) / (2 * SIGMA**2)).to(a.dtype)
    window = torch.outer(line, line) / line.sum() ** 2

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(x.flatten(0, 1)[:, None], window[None, None]).unflatten(0, x.shape[:2])[:, :, 0]

    mu_a, mu_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mu_a**2, mean(b * b) - mu_b**2
    cov = mean(a * b) - mu_a * mu_b
    similar = (2 * mu_a * mu_b + C1) * (2 * cov + C2)
    return (similar / ((mu_a**2 + mu_b**2 + C1) * (var_a + var_b + C2))).flatten(1).mean(1)
