"""Reads the image to start from, and the mask that was painted over it, from the browser."""

import math
from collections.abc import Mapping
from typing import Any

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.decode_upload import checked_pixels, decoded
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.pixels import SIZE_MULTIPLE

_PREFIXES = tuple(f"data:image/{kind};base64," for kind in ("png", "jpeg", "webp"))


def images_of(start: Any, limits: Limits) -> tuple[InputImage | None, InputImage | None]:
    """Image and mask, None where there is none.

    Args:
        start: {"image", "mask"}, as data URLs, or None.

    Raises:
        UsageError: they are something else, too large, or no images.
    """
    if not start:
        return None, None
    if not isinstance(start, Mapping):
        raise UsageError("the image did not arrive as one; choose it again")
    image, mask = (
        _read(name, start.get(name), mode, limits) for name, mode in (("image", "RGB"), ("mask", "L"))
    )
    return image, mask


def _read(name: str, url: Any, mode: str, limits: Limits) -> InputImage | None:
    if url is None:
        return None
    prefix = next((each for each in _PREFIXES if isinstance(url, str) and url.startswith(each)), None)
    if prefix is None:
        raise UsageError(f"the {name} is no PNG, JPEG or WebP; choose another")
    data = decoded(url[len(prefix) :], limits)
    return InputImage.read(name, checked_pixels(name, data, limits), mode)


def size_for(image: tuple[int, int], native: tuple[int, int], limits: Limits) -> tuple[int, int]:
    """Width and height of a picture with an image's shape and about as many pixels as the model's own
    size."""
    wide, high = image
    scale = min(math.sqrt(native[0] * native[1] / (wide * high)), limits.max_side / max(image))
    width = _multiple(wide * scale)
    return width, _multiple(width * high / wide)


def _multiple(side: float) -> int:
    return max(1, round(side / SIZE_MULTIPLE)) * SIZE_MULTIPLE
