"""Fast, rough previews of latents by a linear map."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import NonFinitePicture
from limelight.pipeline.latents.vae import encode, in_float32, normalise

REACH = 3  # a patch of pixels is computed from 3x3 positions
RIDGE = 0.03  # regularization, which keeps the noise of a prediction from being sharpened
NUM_LEAVES = 400
SIDE = 32  # positions along one side of the latent used for the fit


class Preview:
    """Computes every patch of pixels from the 3x3 latent positions around it.

    The map is a least squares fit to one picture of random leaves, which the VAE encodes when the first
    preview is drawn.
    """

    def __init__(self, vae: Any) -> None:
        self._vae = vae
        self._weight: Float[Tensor, "o c 3 3"] | None = None
        self._bias: Float[Tensor, " o"] | None = None

    @torch.inference_mode()
    def draw(self, latent: Float[Tensor, "1 c h w"]) -> Image.Image:
        """The preview of a latent, in the size of the final picture."""
        if self._weight is None:
            self._weight, self._bias = fit(self._vae)
        patches = F.conv2d(_padded(latent.float().cpu()), self._weight, self._bias)
        factor = int((patches.shape[1] // 3) ** 0.5)
        pixels = F.pixel_shuffle(patches, factor)[0].clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        return Image.fromarray((pixels * 255).round().astype(np.uint8))


@torch.inference_mode()
def fit(vae: Any) -> tuple[Float[Tensor, "o c 3 3"], Float[Tensor, " o"]]:
    """Kernel and bias of the convolution from latents to patches of pixels in 0..1, in the order of
    `pixel_shuffle`."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    picture = leaves(SIDE * factor)  # 3 H W
    latent = normalise(vae, _encoded(vae, picture[None] * 2 - 1).cpu())
    inputs = F.unfold(_padded(latent), REACH)[0].mT  # n (c 9)
    inputs = torch.cat((inputs, torch.ones(len(inputs), 1)), dim=1)
    targets = F.pixel_unshuffle(picture[None], factor)[0].flatten(1).mT  # n o
    gram = inputs.mT @ inputs + RIDGE * len(inputs) * torch.eye(inputs.shape[1])
    solution = torch.linalg.solve(gram, inputs.mT @ targets).mT  # o (c 9) + 1
    return solution[:, :-1].unflatten(1, (-1, REACH, REACH)).contiguous(), solution[:, -1].contiguous()


def leaves(side: int) -> Float[Tensor, "3 side side"]:
    """A picture with the statistics of photographs: overlapping discs of all sizes and colours. It is always
    the same.

    Source: Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 41, 2001: sizes by r^-3.
    """
    rng = np.random.default_rng(0)
    across = np.arange(side) / side
    picture = np.broadcast_to(rng.random((3, 1, 1)), (3, side, side)).astype(np.float32).copy()
    for _ in range(NUM_LEAVES):
        radius = min(0.03 / np.sqrt(1 - rng.random()), 0.4)
        x, y = rng.uniform(-0.1, 1.1, 2)
        inside = (across[None] - x) ** 2 + (across[:, None] - y) ** 2 < radius**2
        shade = 1 + rng.uniform(-1, 1) * (across[None] - x) / radius * 0.2
        picture[:, inside] = (rng.random(3)[:, None] * np.broadcast_to(shade, (side, side))[inside]).clip(
            0, 1
        )
    return torch.from_numpy(picture)


def _encoded(vae: Any, pixels: Tensor) -> Tensor:
    try:
        return encode(vae, pixels, None)
    except NonFinitePicture:  # half precision may overflow
        with in_float32(vae):
            return encode(vae, pixels, None)


def _padded(latent: Tensor) -> Tensor:
    return F.pad(latent, (REACH // 2,) * 4, mode="replicate")
