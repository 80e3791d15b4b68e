"""FreeU: on the way up, amplifies the backbone's features and attenuates the lowest frequencies of the skips.

Source: Si et al. 2023, arXiv:2309.11497, equations 4 to 6, with the constant factor of the first edition, as
    in
diffusers.
"""

from dataclasses import dataclass
from math import tau

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FreeU:
    """The factors of the two lowest stages on the way up, for some rows of a call.

    Args:
        rows: the indices of the rows.
        backbone: factors b1 and b2 for half of the features from the level below.
        skip: factors s1 and s2 for the frequencies 0 and -1 of the skips, in each direction.
    """

    rows: Int[Tensor, " r"]
    backbone: Float[Tensor, "r 2"]
    skip: Float[Tensor, "r 2"]

    def to(self, device: torch.device) -> "FreeU":
        return FreeU(self.rows.to(device), self.backbone.to(device), self.skip.to(device))

    def join(
        self, stage: int, x: Float[Tensor, "b c h w"], skip: Float[Tensor, "b s h w"]
    ) -> Float[Tensor, "b c_and_s h w"]:
        """The features from below and the skip, concatenated as the input of a layer of stage `stage`."""
        both = torch.cat((x, skip), dim=1)
        if stage > 1:
            return both
        half, channels = x.shape[1] // 2, x.shape[1]
        b, s = (each[:, stage, None, None, None].to(both) for each in (self.backbone, self.skip))
        some = both[self.rows]
        some[:, :half] = some[:, :half] * b
        some[:, channels:] = some[:, channels:] + (s - 1) * lowest(some[:, channels:])
        both[self.rows] = some
        return both


def lowest(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The part of `x` with the frequencies 0 and -1 in each direction. These are four Fourier coefficients,
    which two small matrix products compute in any dtype and on any device."""
    height, width = x.shape[-2:]
    angles = [
        vertical * torch.arange(height, device=x.device)[:, None] / height
        + horizontal * torch.arange(width, device=x.device) / width
        for vertical in ((0, -1) if height > 1 else (0,))
        for horizontal in ((0, -1) if width > 1 else (0,))
    ]
    phases = tau * torch.stack(angles).flatten(1)  # f (h w)
    waves = torch.cat((phases.cos(), phases.sin()))
    flat = x.float().flatten(-2)
    found = flat @ waves.mT @ waves / (height * width)
    return found.unflatten(-1, (height, width)).to(x.dtype)
