"""The network of Limelight's own enlargers: plain convolutions on a grid of half the side, then a pixel
shuffle."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SCALE = 4
SIZES = {"channels": 64, "depth": 8}  # of the networks that are trained here


class EnlargerNetwork(nn.Module):
    """Enlarges pictures to four times the side: an interpolation plus a correction by the network.

    It works on blocks of 2x2 pixels, which takes a quarter of the time, and ends in a pixel shuffle (Shi et
    al. 2016, arXiv:1609.05158).
    """

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.enter = nn.Conv2d(12, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(channels, channels, 3, padding=1),
            )
            for _ in range(depth)
        )
        self.leave = nn.Conv2d(channels, 3 * (2 * SCALE) ** 2, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 fh fw"]:
        """Enlarges `images` (b, 3, h, w) of range -1..1, whose sides must be even."""
        x = self.enter(F.pixel_unshuffle(images, 2))
        for block in self.blocks:
            x = x + block(x)
        plain = F.interpolate(images, scale_factor=float(SCALE), mode="bicubic")
        return plain + F.pixel_shuffle(self.leave(x), 2 * SCALE)
