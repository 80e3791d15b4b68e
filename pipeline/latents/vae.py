"""Encodes pictures and masks to latents, and decodes latents to pictures."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import NonFinitePicture, OutOfMemory
from limelight.pipeline.out_of_memory import memory_errors

logger = logging.getLogger(__name__)


def pixels_of(image: Image.Image, width: int, height: int) -> Float[Tensor, "1 3 h w"]:
    """An RGB image as the VAE takes it, from -1 to 1, resized if necessary."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    values = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
    return 2 * values.permute(2, 0, 1)[None] - 1


def mask_of(image: Image.Image, width: int, height: int) -> Float[Tensor, "1 1 h w"]:
    """A mask that is 1 where its image is at least half white, and 0 elsewhere."""
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image, dtype=np.float32) / 255 >= 0.5)[None, None].float()


def shrink_mask(mask: Float[Tensor, "1 1 h w"], height: int, width: int) -> Float[Tensor, "1 1 y x"]:
    """The mask on the grid of the latent; each position takes the value of its upper left pixel."""
    return F.interpolate(mask, size=(height, width))


def encode(
    vae: Any, pixels: Float[Tensor, "1 3 h w"], generator: torch.Generator | None
) -> Float[Tensor, "1 c y x"]:
    """The latent of an image in float32, scaled as the U-Net takes it.

    Args:
        generator: samples the latent from the encoder's distribution. None takes the unscaled mean, which
            image-editing models were trained on.

    Raises:
        as `encoded`.
    """
    mean, std = encoded(vae, pixels)
    return mean if generator is None else sampled(vae, mean, std, generator)


def sampled(
    vae: Any, mean: Float[Tensor, "1 c y x"], std: Float[Tensor, "1 c y x"], generator: torch.Generator
) -> Float[Tensor, "1 c y x"]:
    """A latent of the encoder's distribution, scaled as the U-Net takes it."""
    return normalise(vae, mean + std * torch.randn(mean.shape, generator=generator).to(mean.device))


@torch.inference_mode()
def encoded(
    vae: Any, pixels: Float[Tensor, "1 3 h w"]
) -> tuple[Float[Tensor, "1 c y x"], Float[Tensor, "1 c y x"]]:
    """Mean and standard deviation of the encoder's distribution for an image, in float32, not scaled.

    Large images, and images for which there is not enough memory, are encoded in tiles, as in `decode`.

    Raises:
        NonFinitePicture: the VAE overflowed.
        OutOfMemory: there is no memory for a tile.
    """
    pixels = pixels.to(_device(vae), vae.dtype)
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
    return distribution.mean.float(), distribution.std.float()


def normalise(vae: Any, z: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """A latent of the VAE, scaled for the U-Net."""
    mean, std = _statistics(vae, z.device)
    return (z - mean) * vae.config.scaling_factor / std


def _statistics(vae: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the VAE's latents, for each channel if the config has them
    (Playground)."""
    mean, std = (getattr(vae.config, f"latents_{name}", None) for name in ("mean", "std"))
    if mean is None or std is None:
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        mean, std = [shift], [1.0]
    of_channels = [torch.tensor(each, dtype=torch.float32, device=device) for each in (mean, std)]
    return of_channels[0].view(1, -1, 1, 1), of_channels[1].view(1, -1, 1, 1)


def _device(vae: Any) -> torch.device:
    """The device that the VAE computes on; its weights may be elsewhere between calls."""
    return getattr(getattr(vae, "_hf_hook", None), "execution_device", None) or vae.device


# A decoder in float32 takes about 2 GiB for activations per million pixels; larger pictures use tiles.
MAX_WHOLE_PIXELS = 2048 * 2048
T = TypeVar("T")
MIN_DEVIATION = 1.0  # in steps of 1/255; a picture with less counts as having a single colour


def decode(vae: Any, latent: Float[Tensor, "1 c h w"]) -> Image.Image:
    """The picture of a latent, decoded alone, so that its pixels do not depend on other pictures.

    Raises:
        NonFinitePicture: the VAE overflowed, in float32 too.
    """
    return decode_with_notes(vae, latent)[0]


@torch.inference_mode()
def decode_with_notes(vae: Any, latent: Float[Tensor, "1 c h w"]) -> tuple[Image.Image, dict[str, Any]]:
    """The picture of a latent, with notes on its decoding.

    A VAE that overflows in half precision decodes once more in float32. A picture with more than
    `MAX_WHOLE_PIXELS`, or for which there is not enough memory, is decoded in tiles that overlap by a quarter
    and are blended there. Its pixels then differ, because the decoder normalises over each tile.

    Returns:
        The picture, and `vae_retry` (the dtype of a second attempt, or None), `vae_tiled`, `is_constant`.

    Raises:
        NonFinitePicture: the VAE overflowed, in float32 too.
        OutOfMemory: there is no memory for a tile.
    """
    mean, std = _statistics(vae, latent.device)
    z = latent * std / vae.config.scaling_factor + mean
    pixels, is_tiled = _pixels(vae, z)
    retry = None
    if vae.dtype != torch.float32 and not pixels.isfinite().all():
        retry = "float32"
        with in_float32(vae):
            pixels, is_tiled = _pixels(vae, z)
    if not pixels.isfinite().all():
        half = f"{_name(vae.dtype)} and then in " if retry else ""
        raise NonFinitePicture(f"the VAE returned NaN or infinity in {half}float32; nothing was saved")
    values = (pixels / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray((values * 255).round().astype(np.uint8))
    return image, {"vae_retry": retry, "vae_tiled": is_tiled, "is_constant": is_constant(image)}


def is_constant(image: Image.Image) -> bool:
    """Whether a picture has a single colour, apart from rounding; black pictures have."""
    return bool(np.asarray(image).std(axis=(0, 1)).max() < MIN_DEVIATION)


def _pixels(vae: Any, z: Tensor) -> tuple[Float[Tensor, "3 h w"], bool]:
    """Pixel values from -1 to 1, and whether they were decoded in tiles."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    num_pixels = z.shape[-2] * z.shape[-1] * factor**2
    z = z.to(vae.dtype)
    what = "decode a tile of the picture"
    return whole_or_tiled(vae, num_pixels, what, lambda: vae.decode(z, return_dict=False)[0][0].float())


def whole_or_tiled(vae: Any, num_pixels: int, what: str, compute: Callable[[], T]) -> tuple[T, bool]:
    """The result of `compute`, and whether the VAE used tiles: for many pixels, or if memory is too small.

    Args:
        what: names the task in messages.

    Raises:
        OutOfMemory: there is not enough memory for a tile.
    """
    if num_pixels <= MAX_WHOLE_PIXELS:
        try:
            with memory_errors():
                return compute(), False
        except torch.OutOfMemoryError:
            pass  # memory is freed with the exception, after this block
    with _tiled(vae):
        try:
            with memory_errors():
                return compute(), True
        except torch.OutOfMemoryError as error:
            brief = str(error).partition("\n")[0]
    raise OutOfMemory(f"not enough memory to {what}: {brief}")


@contextmanager
def _tiled(vae: Any) -> Iterator[None]:
    vae.enable_tiling()
    try:
        yield
    finally:
        vae.disable_tiling()


@contextmanager
def in_float32(vae: Any) -> Iterator[None]:
    """Inside this context the VAE computes in float32; afterwards its weights have their original bits."""
    dtype = vae.dtype
    vae.to(dtype=torch.float32)
    try:
        yield
    finally:
        vae.to(dtype=dtype)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
