"""Decodes files that the browser sends in messages."""

import base64
import binascii
import io
from typing import Any

from PIL import Image

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.pipeline.errors import UsageError


def decoded(data: Any, limits: Limits) -> bytes:
    """The bytes that a browser sent as base64.

    Raises:
        UsageError: the data is something else, or too large.
    """
    if not isinstance(data, str):
        raise UsageError("no file came with it")
    if len(data) > limits.max_file_bytes * 4 // 3 + 4:
        raise NotOffered(
            f"the file has about {len(data) * 3 // 4:,} bytes; at most {limits.max_file_bytes:,}"
        )
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise UsageError(f"the file did not arrive whole: {error}") from None


def checked_pixels(name: str, data: bytes, limits: Limits) -> io.BytesIO:
    """An image file, after its header says that it has few enough pixels to unpack.

    Raises:
        UsageError: it has too many pixels, or is no image.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            wide, high = image.size
    except Image.DecompressionBombError:
        raise NotOffered(
            f"the {name} has too many pixels; at most {limits.max_image_pixels:,} here: make it smaller"
        ) from None
    except Exception as error:  # an uploaded file may fail in any way
        raise UsageError(f"the {name} is not an image that can be read; choose another") from error
    if wide * high > limits.max_image_pixels:
        raise NotOffered(
            f"the {name} has {wide}x{high} pixels; at most {limits.max_image_pixels:,} here: make it smaller"
        )
    return io.BytesIO(data)
