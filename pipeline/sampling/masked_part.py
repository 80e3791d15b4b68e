"""Drawing only the masked part of an image, at a size of its own, and putting it back.

Source: AUTOMATIC1111's web UI, "Inpaint area: only masked"; the region is that of diffusers'
`padding_mask_crop`.
"""

import numpy as np
from PIL import Image

from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest

Box = tuple[int, int, int, int]  # left, upper, right, lower
_LANCZOS = Image.Resampling.LANCZOS


def drawn_part(request: GenerationRequest, image: InputImage) -> Image.Image:
    """The part of an image, or of its mask, that is drawn: all of it, or the region around the mask.

    Args:
        request: resolved, with its images read.
    """
    if (box := _box(request)) is None:
        return image.pixels
    assert request.width is not None and request.height is not None
    return _inside(image.pixels.crop(box), request.width, request.height)


def put_back(request: GenerationRequest, picture: Image.Image) -> Image.Image:
    """The image with the drawn part inside its mask; the picture itself if all of it was drawn."""
    if (box := _box(request)) is None:
        return picture
    assert isinstance(request.image, InputImage) and isinstance(request.mask, InputImage)
    whole = request.image.pixels.copy()
    whole.paste(_covering(picture, box[2] - box[0], box[3] - box[1]), box[:2])
    return Image.composite(whole, request.image.pixels, request.mask.pixels)


def _box(request: GenerationRequest) -> Box | None:
    """The region of the image that is drawn; None for all of it."""
    if request.padding_mask_crop is None:
        return None
    assert isinstance(request.mask, InputImage) and request.width is not None and request.height is not None
    found = request.mask.pixels.getbbox()
    assert found is not None, "a mask has white"
    return region(found, request.mask.size, request.padding_mask_crop, request.width / request.height)


def region(found: Box, size: tuple[int, int], padding: int, ratio: float) -> Box:
    """The masked part and its surroundings, in the shape of the picture as far as the image reaches.

    Args:
        found: bounds of the masked part.
        size: width and height of the image.
        padding: pixels on each side.
        ratio: width to height of the picture that is drawn.
    """
    (left, upper, right, lower), (width, height) = found, size
    left, right = max(left - padding, 0), min(right + padding, width)
    upper, lower = max(upper - padding, 0), min(lower + padding, height)
    if (right - left) / (lower - upper) > ratio:
        upper, lower = _widened(upper, lower, (right - left) / ratio, height)
    else:
        left, right = _widened(left, right, (lower - upper) * ratio, width)
    return left, upper, right, lower


def _widened(first: int, last: int, wanted: float, limit: int) -> tuple[int, int]:
    """Widens an interval around its centre to about the wanted length, and shifts and cuts it to end at the
    limit."""
    more = int(wanted - (last - first))
    first, last = first - more // 2, last + more - more // 2
    if last > limit:
        first, last = first - (last - limit), limit
    if first < 0:
        first, last = 0, last - first
    return first, min(last, limit)


def _inside(part: Image.Image, width: int, height: int) -> Image.Image:
    """A part of an image, resized to fit inside width x height; its edges are repeated into the rest."""
    is_flat = width / height < part.width / part.height
    w = width if is_flat else part.width * height // part.height
    h = part.height * width // part.width if is_flat else height
    w, h = max(w, 1), max(h, 1)
    pixels = np.asarray(part.resize((w, h), _LANCZOS))
    left, upper = width // 2 - w // 2, height // 2 - h // 2
    around = [(upper, height - h - upper), (left, width - w - left), (0, 0)]
    return Image.fromarray(np.pad(pixels, around[: pixels.ndim], mode="edge"))


def _covering(picture: Image.Image, width: int, height: int) -> Image.Image:
    """A picture resized so that it covers a region, and cut to it around its centre."""
    is_flat = width / height < picture.width / picture.height
    w = picture.width * height // picture.height if is_flat else width
    h = height if is_flat else picture.height * width // picture.width
    left, upper = w // 2 - width // 2, h // 2 - height // 2
    return picture.resize((w, h), _LANCZOS).crop((left, upper, left + width, upper + height))
