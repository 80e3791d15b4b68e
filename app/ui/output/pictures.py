"""Encodes pictures as data URLs for the browser."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from limelight.app.ui.studio.job import Preview
from limelight.pipeline.results.png import enlarge_to_view, png_bytes
from limelight.pipeline.results.result import Result

FILM_SIDE = 256  # pixels of the longer side of a film's image
FILM_QUALITY = 80
MAX_LOSSLESS_PIXELS = 2**16  # larger previews go as JPEG, which is ten times quicker to write


def preview_url(image: Image.Image) -> str:
    """A preview, in a format that is quick to write."""
    is_small = image.width * image.height <= MAX_LOSSLESS_PIXELS
    buffer = io.BytesIO()
    image.save(buffer, format="PNG" if is_small else "JPEG", **({"compress_level": 1} if is_small else {}))
    return _url("png" if is_small else "jpeg", buffer.getvalue())


def film_of(previews: Sequence[tuple[int, Preview]]) -> list[dict[str, Any]]:
    """The preview after each prediction: its number from 1, and a small image."""
    return [{"index": index, "image": _frame_url(draw())} for index, draw in previews]


def _frame_url(image: Image.Image) -> str:
    image.thumbnail((FILM_SIDE, FILM_SIDE))
    return small_url(image)


def small_url(image: Image.Image) -> str:
    """A picture in few bytes, to be looked at and not to be saved."""
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=FILM_QUALITY)
    return _url("webp", buffer.getvalue())


def result_url(result: Result) -> str:
    """The finished picture, a PNG with the record of what made it."""
    return _url("png", png_bytes(result.image, plain_info(result)))


def viewed_url(result: Result) -> str | None:
    """A small picture at the size at which it is looked at and saved, with its record; None of others."""
    viewed = enlarge_to_view(result)
    return None if viewed is result else result_url(viewed)


def plain_info(result: Result) -> dict[str, Any]:
    """The picture's record without the fields about recorded maps, which change no pixel."""
    request = dict(result.info["request"]) | {
        "record": False,
        "record_extras": [],
        "record_points": [],
        "record_queries": [],
    }
    return dict(result.info) | {"request": request}


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
