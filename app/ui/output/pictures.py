"""Pictures as the browser gets them."""

import base64
import io
from typing import Any

from PIL import Image

from limelight.pipeline.results.png import png_bytes
from limelight.pipeline.results.result import Result

MAX_LOSSLESS_PIXELS = 2**16  # larger previews go as JPEG, which is ten times quicker to write


def preview_url(image: Image.Image) -> str:
    """A rough picture on the way, quick to write."""
    is_small = image.width * image.height <= MAX_LOSSLESS_PIXELS
    buffer = io.BytesIO()
    image.save(buffer, format="PNG" if is_small else "JPEG", **({"compress_level": 1} if is_small else {}))
    return _url("png" if is_small else "jpeg", buffer.getvalue())


def result_url(result: Result) -> str:
    """The finished picture, a PNG with the record of what made it."""
    return _url("png", png_bytes(result.image, plain_info(result)))


def plain_info(result: Result) -> dict[str, Any]:
    """The record without what was listened to, which changes no pixel."""
    request = dict(result.info["request"]) | {
        "record": False,
        "record_extras": [],
        "record_points": [],
        "record_queries": [],
    }
    return dict(result.info) | {"request": request}


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
