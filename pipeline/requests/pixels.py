"""Converts images of any mode to 8-bit RGB or to a mask, warns of what is lost, and checks that a size fits
into memory."""

import warnings

import numpy as np
from PIL import Image

from limelight.pipeline.errors import RequestError
from limelight.pipeline.memory import physical_memory

BYTES_PER_PIXEL = 1024  # two float32 activations of 128 channels, which the last stage of a VAE decoder holds
SIZE_MULTIPLE = 8
WHITE = (255, 255, 255)
_OPAQUE = 255
_DEPTHS = (255.0, 65535.0)  # what white is in whole numbers of 8 and 16 bits


class ImageChanged(UserWarning):
    """An image is not taken as it is; the message says how it is taken."""


def as_rgb(name: str, image: Image.Image) -> Image.Image:
    """The image in RGB, a copy. Transparency is laid on white, and deeper colours are scaled to 8 bits.

    Raises:
        RequestError: its numbers have no range that is known.

    Warns:
        ImageChanged: it has transparent parts.
    """
    alpha = _alpha(image)
    if alpha is None:
        return _in_8_bits(name, image).convert("RGB")
    warnings.warn(
        f"{name} has transparent parts, which are taken for white; save it without transparency to choose",
        ImageChanged,
        stacklevel=2,
    )
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image.convert("RGBA").convert("RGB"), mask=alpha)
    return ground


def as_mask(name: str, image: Image.Image) -> Image.Image:
    """A copy of the image in L. If it has transparent parts, all that is painted becomes white where it was
    painted in one shade; where it was painted in several, only white paint does.

    Raises:
        RequestError: as `as_rgb`.

    Warns:
        ImageChanged: it has transparent parts.
    """
    alpha = _alpha(image)
    if alpha is None:
        return _in_8_bits(name, image).convert("L")
    shades = np.asarray(image.convert("RGBA").convert("L"))
    opacity = np.asarray(alpha)
    is_light = shades[opacity >= 128] >= 128
    is_one_shade = bool(is_light.all() or not is_light.any())
    drawn = "what is painted" if is_one_shade else "what is painted white"
    warnings.warn(
        f"{name} has transparent parts; {drawn} is drawn again, and what is transparent stays",
        ImageChanged,
        stacklevel=2,
    )
    if is_one_shade:
        return alpha
    return Image.fromarray((shades.astype(np.uint32) * opacity // _OPAQUE).astype(np.uint8))


def _alpha(image: Image.Image) -> Image.Image | None:
    """How opaque each pixel is; None where all are."""
    if not image.has_transparency_data or image.mode[0] in "FI":
        return None
    alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema()[0] == _OPAQUE else alpha


def _in_8_bits(name: str, image: Image.Image) -> Image.Image:
    """Pillow cuts deeper greys off at 255; scaled here."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    values = np.asarray(image, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > _DEPTHS[-1]:
        raise RequestError(
            f"{name} has numbers from {low:g} to {high:g}; must be from 0 to 1, 255 or 65535: save 8 bits"
        )
    if image.mode == "F":
        white = next(each for each in (1.0, *_DEPTHS) if high <= each)
    else:
        white = _DEPTHS[1] if image.mode.startswith("I;16") or high > _DEPTHS[0] else _DEPTHS[0]
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))


def check_memory(width: int | None, height: int | None) -> None:
    """Raises RequestError for a picture that does not fit into this machine's memory."""
    if width is None or height is None:
        return
    need, have = width * height * BYTES_PER_PIXEL, physical_memory()
    if need > have:
        side = int((have / BYTES_PER_PIXEL) ** 0.5) // SIZE_MULTIPLE * SIZE_MULTIPLE
        raise RequestError(
            f"{width}x{height} needs at least {need / 2**30:,.0f} GiB; "
            f"this machine has {have / 2**30:,.0f} GiB (a square of {side} is the largest to try)"
        )
