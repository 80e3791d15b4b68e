"""Enlarges without a trained network: interpolation, then a shock filter that narrows soft edges.

Each step moves every pixel towards the brighter or the darker side of its edge, whichever is nearer, and
smooths along the edge. It invents nothing: details that the small picture lacks are not there.

Sources: Alvarez and Mazorra 1994, "Signal and image restoration using shock filters and anisotropic
diffusion"; the direction of an edge from the structure tensor: Weickert 2003, "Coherence-enhancing shock
filters".
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.enlarging import SHOCK_FILTER
from limelight.pipeline.enlarging.enlarger import Enlarger

SCALE = 4
STEPS, RATE = 3, 0.4  # steps for each time that the picture becomes larger
EVERY = 4  # steps after which the directions of edges are measured again
# In pixels of the small picture: what is smoothed before derivatives, and where directions are averaged.
BLUR, AROUND = 0.5, 0.75
ALONG = 0.2  # smoothing along edges
STEEP = 40.0  # how soon a second derivative, in shares of the range, means a full step


def shock_enlarger(device: torch.device) -> Enlarger:
    """The enlarger of models that have none of their own."""
    return Enlarger(SHOCK_FILTER, None, shock_enlarged, SCALE, 1, device)


def shock_enlarged(images: Float[Tensor, "b 3 h w"], scale: int = SCALE) -> Float[Tensor, "b 3 fh fw"]:
    """Pictures of range 0..1 at `scale` times the side, with edges about as many pixels wide as before."""
    x = _interpolated(images, scale)
    count = STEPS * scale
    for start in range(0, count, EVERY):
        direction = Direction.of(blurred(x, BLUR * scale), AROUND * scale)
        for _ in range(min(EVERY, count - start)):
            force = torch.tanh(STEEP * direction.across(blurred(x, BLUR * scale)))
            x = x + RATE * (_towards_edges(x, force) + ALONG * direction.along(x))
    return x


def _interpolated(images: Float[Tensor, "b 3 h w"], scale: int) -> Float[Tensor, "b 3 fh fw"]:
    """Bicubic interpolation that stays between the darkest and the brightest of the pixels around: what goes
    beyond them would be sharpened to an outline."""
    wide = F.pad(images, (1, 1, 1, 1), mode="replicate")
    around = (-F.max_pool2d(-wide, 3, 1), F.max_pool2d(wide, 3, 1))
    low, high = (F.interpolate(each, scale_factor=float(scale), mode="bilinear") for each in around)
    large = F.interpolate(images, scale_factor=float(scale), mode="bicubic")
    return torch.minimum(torch.maximum(large, low), high)


@dataclass(frozen=True)
class Direction:
    """The direction across the edge at each pixel: the squares of its cosine and sine, and their product."""

    cos2: Float[Tensor, "b 1 h w"]
    sin2: Float[Tensor, "b 1 h w"]
    mixed: Float[Tensor, "b 1 h w"]

    @classmethod
    def of(cls, x: Float[Tensor, "b c h w"], around: float) -> "Direction":
        """The direction in which all channels together change most (Di Zenzo 1986), averaged by a Gaussian
        `around` each pixel."""
        left, right, up, down = sides(x)
        across, downwards = right - left, down - up
        tensor = torch.stack(
            [(one * other).sum(1) for one in (across, downwards) for other in (across, downwards)], 1
        )
        xx, xy, _, yy = blurred(tensor, around).unsqueeze(2).unbind(1)
        angle = torch.atan2(2 * xy, xx - yy) / 2
        cos, sin = angle.cos(), angle.sin()
        return cls(cos * cos, sin * sin, cos * sin)

    def across(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The second derivative across the edge."""
        xx, yy, xy = second_derivatives(x)
        return self.cos2 * xx + 2 * self.mixed * xy + self.sin2 * yy

    def along(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The second derivative along the edge."""
        xx, yy, xy = second_derivatives(x)
        return self.sin2 * xx - 2 * self.mixed * xy + self.cos2 * yy


def _towards_edges(x: Float[Tensor, "b c h w"], force: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """How each pixel changes: towards its brighter neighbours on the bright side of an edge, where `force` is
    negative, and towards its darker ones on the dark side; by upwind differences (Osher and Rudin 1990)."""
    left, right, up, down = sides(x)
    brighter = torch.hypot(
        (torch.maximum(left, right) - x).clamp(min=0), (torch.maximum(up, down) - x).clamp(min=0)
    )
    darker = torch.hypot(
        (x - torch.minimum(left, right)).clamp(min=0), (x - torch.minimum(up, down)).clamp(min=0)
    )
    return -force * torch.where(force < 0, brighter, darker)


def sides(x: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each pixel's neighbours on the left, on the right, above and below; at the border the pixel itself."""
    return _inner(F.pad(x, (1, 1, 1, 1), mode="replicate"))


def _inner(wide: Float[Tensor, "b c hh ww"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return wide[..., 1:-1, :-2], wide[..., 1:-1, 2:], wide[..., :-2, 1:-1], wide[..., 2:, 1:-1]


def second_derivatives(x: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor, Tensor]:
    """xx, yy and xy by central differences."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    left, right, up, down = _inner(wide)
    falling = wide[..., 2:, 2:] + wide[..., :-2, :-2]
    rising = wide[..., 2:, :-2] + wide[..., :-2, 2:]
    return left + right - 2 * x, up + down - 2 * x, (falling - rising) / 4


def blurred(x: Float[Tensor, "b c h w"], sigma: float) -> Float[Tensor, "b c h w"]:
    """A Gaussian blur; the border's pixels are repeated beyond it."""
    radius = round(2.5 * sigma)
    places = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-(places**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    rows = x.flatten(0, 1)[:, None]  # one channel: convolutions of groups are slow on a CPU
    rows = F.conv2d(F.pad(rows, (radius, radius, 0, 0), mode="replicate"), kernel)
    rows = F.conv2d(F.pad(rows, (0, 0, radius, radius), mode="replicate"), kernel.mT)
    return rows[:, 0].unflatten(0, x.shape[:2])
