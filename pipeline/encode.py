"""From pictures to latents, and from masks to latent masks."""

import logging
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.decode import whole_or_tiled
from pipeline.errors import NonFinitePicture

logger = logging.getLogger(__name__)


def pixels_of(image: Image.Image, width: int, height: int) -> Float[Tensor, "1 3 h w"]:
    """An RGB image as the VAE takes it, -1 to 1, resized where its size is another."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
    return 2 * values.permute(2, 0, 1)[None] - 1


def mask_of(image: Image.Image, width: int, height: int) -> Float[Tensor, "1 1 h w"]:
    """A mask, 1 where its image is half white or more, else 0."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image, dtype=np.float32) / 255 >= 0.5)[None, None].float()


def shrink_mask(mask: Float[Tensor, "1 1 h w"], height: int, width: int) -> Float[Tensor, "1 1 y x"]:
    """The mask on the grid of the latent, each position as its upper left pixel is."""
    return F.interpolate(mask, size=(height, width))


@torch.inference_mode()
def encode(
    vae: Any, pixels: Float[Tensor, "1 3 h w"], generator: torch.Generator | None
) -> Float[Tensor, "1 c y x"]:
    """A latent of pixels, float32, scaled as the U-Net takes it.

    Large images, and those for which there is not enough memory, are encoded in tiles as `decode` has them.

    Args:
        generator: draws the latent from the encoder's distribution; None takes its mean, as it is before
            scaling, which is what image-editing models were trained on.

    Raises:
        NonFinitePicture: the VAE overflowed.
        OutOfMemory: there is no memory for a tile.
    """
    pixels = pixels.to(vae.device, vae.dtype)
    distribution, is_tiled = whole_or_tiled(
        vae,
        pixels[0, 0].numel(),
        "encode a tile of the image",
        lambda: vae.encode(pixels, return_dict=False)[0],
    )
    if is_tiled:
        height, width = pixels.shape[-2:]
        logger.warning("an image of %d x %d pixels, too many at once, is encoded in tiles", width, height)
    if not distribution.parameters.isfinite().all():
        raise NonFinitePicture(
            f"the VAE returned NaN or infinity for the image in {str(vae.dtype).removeprefix('torch.')}; "
            "nothing was saved (load the model in float32)"
        )
    mean, std = distribution.mean.float(), distribution.std.float()
    if generator is None:
        return mean
    drawn = mean + std * torch.randn(mean.shape, generator=generator).to(mean.device)
    shift = getattr(vae.config, "shift_factor", None) or 0.0
    return (drawn - shift) * vae.config.scaling_factor
