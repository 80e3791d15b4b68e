"""The images of a request: they are read with limits, compared by pixels, and fitted to a size."""

import hashlib
import io
import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import IO, Any

from PIL import Image, ImageOps, UnidentifiedImageError

from limelight.files import UnreadableFile, open_regular
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.pixels import SIZE_MULTIPLE, as_mask, as_rgb

MAX_PIXELS = 2**26  # 8192 x 8192, 192 MiB once unpacked
LARGE = 4  # an image with more times the pixels of a model's own size takes long, and is drawn badly
_STRIP = 256  # rows of pixels
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")  # none that runs a program or follows a link


@dataclass(frozen=True, slots=True)
class InputImage:
    """An image or a mask of a request. Two are equal if their pixels are, whatever files they came in.

    Attributes:
        pixels: RGB, or L for a mask.
        sha256: of mode, size and pixels; stands for them where a request is stored.
    """

    pixels: Image.Image = field(compare=False, repr=False)
    sha256: str

    @classmethod
    def read(cls, name: str, source: Any, mode: str) -> "InputImage":
        """The image in a file or in a file's bytes, of PIL, or as it was read before.

        Args:
            name: of the request's field, for messages.
            mode: RGB or L.

        Raises:
            RequestError: it is no image, or one with too many or too few pixels.
        """
        if isinstance(source, InputImage):
            return source
        if isinstance(source, Image.Image):
            _check_pixels(name, source.size)
            return cls._of(name, source, mode)
        if not isinstance(source, str | os.PathLike | io.BytesIO):
            raise RequestError(f"{name} is {source!r}; must be a PIL image or the path of a file")
        if not isinstance(source, io.BytesIO):
            name = f"{name} {os.fspath(source)}"
        try:
            with opened(source) as file, Image.open(file, formats=FORMATS) as image:
                _check_pixels(name, image.size)
                return cls._of(name, ImageOps.exif_transpose(image), mode)
        except UnreadableFile as error:
            raise RequestError(f"{name.partition(' ')[0]} {error}") from None
        except Image.DecompressionBombError:
            raise RequestError(
                f"{name} unpacks to more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; "
                f"at most {MAX_PIXELS:,}"
            ) from None
        except UnidentifiedImageError:
            raise RequestError(
                f"{name} is not an image that can be read; must be {', '.join(FORMATS)}"
            ) from None
        except OSError as error:
            raise RequestError(f"{name} cannot be read: {error.strerror or error}") from None
        except RequestError:
            raise
        except (ValueError, SyntaxError) as error:
            raise RequestError(f"{name} cannot be read: {error}") from None

    @classmethod
    def _of(cls, name: str, image: Image.Image, mode: str) -> "InputImage":
        pixels = as_rgb(name, image) if mode == "RGB" else as_mask(name, image)
        digest = hashlib.sha256(f"{mode} {pixels.width}x{pixels.height}\n".encode())
        for top in range(0, pixels.height, _STRIP):  # in strips: a copy of all pixels takes as much again
            digest.update(pixels.crop((0, top, pixels.width, min(top + _STRIP, pixels.height))).tobytes())
        return cls(pixels, digest.hexdigest())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.size

    def to_dict(self) -> dict[str, Any]:
        width, height = self.size
        return {"sha256": self.sha256, "width": width, "height": height}


def opened(source: str | os.PathLike[str] | io.BytesIO) -> AbstractContextManager[IO[bytes]]:
    """Opens an image file, or the bytes of one, for reading.

    Raises:
        OSError: it is not there.
        UnreadableFile: it is a FIFO, a device or a folder, or may not be read.
    """
    return nullcontext(source) if isinstance(source, io.BytesIO) else open_regular(source)


def recall(name: str, stored: Any, source: Any, mode: str) -> InputImage:
    """The image that a stored request was made with, from a file that is given again.

    Args:
        stored: what `InputImage.to_dict` returned.

    Raises:
        RequestError: it is not given, or is another image.
    """
    fields = {"sha256": str, "width": int, "height": int}
    if not isinstance(stored, Mapping) or {k: type(v) for k, v in stored.items()} != fields:
        raise RequestError(
            f"the stored {name} is not sha256, width and height; give the file itself as {name}"
        )
    size, digest = f"{stored['width']}x{stored['height']}", stored["sha256"][:12]
    if source is None:
        raise RequestError(
            f"the picture was made from {name} of {size} pixels with sha256 {digest}, which is not stored; "
            f"give it again (in Python {name}=, on the command line --{name})"
        )
    image = InputImage.read(name, source, mode)
    if image.sha256 != stored["sha256"]:
        raise RequestError(
            f"{name} has {'x'.join(map(str, image.size))} pixels with sha256 {image.sha256[:12]}; "
            f"the picture was made from {size} with {digest}"
        )
    return image


def fit(image: InputImage, width: int | None, height: int | None) -> tuple[int, int]:
    """Width and height of a picture that is made from an image; a side that is None follows the image's
    shape.

    Raises:
        RequestError: both are given, and differ from the image's shape by 8 pixels or more.
    """
    w, h = image.size
    if width is None and height is None:
        return w // SIZE_MULTIPLE * SIZE_MULTIPLE, h // SIZE_MULTIPLE * SIZE_MULTIPLE
    if width is None:
        assert height is not None
        return _nearest(height * w / h), height
    if height is None:
        return width, _nearest(width * h / w)
    if min(abs(width - height * w / h), abs(height - width * h / w)) >= SIZE_MULTIPLE:
        raise RequestError(
            f"image is {w}x{h} and the picture {width}x{height}, which is another shape; "
            f"crop the image, or draw {width}x{_nearest(width * h / w)}"
        )
    return width, height


def usual_size(image: tuple[int, int], native: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a model works on an image: the image's own, or, if it has more than `LARGE`
    times as many pixels as those that the model was trained on, about as many as those, in its shape.

    Args:
        image: width and height, and so is `native`, the model's own size.
    """
    wide, high = image
    scale = math.sqrt(native[0] * native[1] / (wide * high))
    if scale**2 * LARGE >= 1:
        return wide // SIZE_MULTIPLE * SIZE_MULTIPLE, high // SIZE_MULTIPLE * SIZE_MULTIPLE
    return _nearest(wide * scale), _nearest(high * scale)


def _nearest(side: float) -> int:
    return max(1, round(side / SIZE_MULTIPLE)) * SIZE_MULTIPLE


def _check_pixels(name: str, size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise RequestError(f"{name} has {width}x{height} pixels; at most {MAX_PIXELS:,} (8192x8192)")
    if min(size) < SIZE_MULTIPLE:
        raise RequestError(
            f"{name} has {width}x{height} pixels; at least {SIZE_MULTIPLE} each way are needed"
        )


def check_mask(mask: InputImage, image: InputImage) -> None:
    """Raises RequestError unless the mask has the image's size, and some white."""
    sizes = ["x".join(map(str, each.size)) for each in (mask, image)]
    if sizes[0] != sizes[1]:
        raise RequestError(f"mask is {sizes[0]} and the image {sizes[1]}; must be equal")
    brightest = mask.pixels.getextrema()[1]
    if isinstance(brightest, int | float) and brightest < 128:
        raise RequestError("mask has no white; paint what shall be drawn again white, and the rest black")
