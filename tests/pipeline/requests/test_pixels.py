"""Images of every depth, with and without transparency, and the pixels that a request reads from them."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.pixels import ImageChanged
from limelight.pipeline.requests.request import GenerationRequest


def read(image: Image.Image | Path, mode: str) -> np.ndarray:
    return np.asarray(InputImage.read("image", image, mode).pixels)


RAMP = np.linspace(0, 1, 64)[None].repeat(64, axis=0)
EXPECTED = np.rint(RAMP * 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("pixels", "suffix"),
    [
        (np.rint(RAMP * 255).astype(np.uint8), "png"),
        (np.rint(RAMP * 65535).astype(np.uint16), "png"),
        (np.rint(RAMP * 65535).astype(np.uint16), "tiff"),
        (np.rint(RAMP * 65535).astype(np.int32), "tiff"),
        (np.rint(RAMP * 255).astype(np.int32), "tiff"),
        (RAMP.astype(np.float32), "tiff"),
        ((RAMP * 255).astype(np.float32), "tiff"),
        ((RAMP * 65535).astype(np.float32), "tiff"),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_depth_of_grey_is_scaled_to_8_bits(
    tmp_path: Path, pixels: np.ndarray, suffix: str, mode: str
) -> None:
    path = tmp_path / f"grey.{suffix}"
    Image.fromarray(pixels).save(path)
    for source in (path, Image.fromarray(pixels)):
        found = read(source, mode)
        found = found if mode == "L" else found[..., 0]
        assert np.abs(found.astype(int) - EXPECTED).max() <= 1


@pytest.mark.parametrize("worst", [np.nan, np.inf, -1.0, 1e6])
def test_numbers_of_no_known_range_are_refused(worst: float) -> None:
    pixels = RAMP.astype(np.float32)
    pixels[3, 3] = worst
    with pytest.raises(RequestError, match=r"image has numbers from .*; must be from 0 to 1, 255 or 65535"):
        read(Image.fromarray(pixels), "RGB")


def painted(colour: tuple[int, int, int], mode: str = "RGBA") -> Image.Image:
    """Transparent, with a colour hidden below, and painted on its right half."""
    image = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    image.paste((*colour, 255), (8, 0, 16, 16))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_transparent_pixels_of_an_image_become_white_with_a_message(mode: str) -> None:
    image = painted((0, 0, 0), mode) if mode != "P" else painted((0, 0, 0)).quantize(4)
    with pytest.warns(ImageChanged, match="image has transparent parts, which are taken for white"):
        found = read(image, "RGB")
    assert found[:, :8].min() == 255 and found[:, 8:].max() == 0


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    with pytest.warns(ImageChanged):
        assert np.abs(read(Image.new("RGBA", (8, 8), (0, 0, 0, 128)), "RGB").astype(int) - 127).max() <= 1


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (90, 200, 40)])
def test_a_mask_painted_in_one_colour_on_a_transparent_layer(colour: tuple[int, int, int]) -> None:
    with pytest.warns(ImageChanged, match="what is painted is drawn again, and what is transparent stays"):
        found = read(painted(colour), "L")
    assert found[:, :8].max() == 0 and found[:, 8:].min() == 255


def test_a_mask_painted_black_and_white_on_a_transparent_layer() -> None:
    image = painted((255, 255, 255))
    image.paste((0, 0, 0, 255), (8, 8, 16, 16))
    with pytest.warns(ImageChanged, match="what is painted white is drawn again"):
        found = read(image, "L")
    assert found[:8, 8:].min() == 255 and found[8:, 8:].max() == found[:, :8].max() == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGB", "L", "1", "CMYK", "P"])
def test_an_opaque_image_is_taken_as_it_is(mode: str) -> None:
    image = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(image, "RGB").min() >= 254 and read(image, "L").min() >= 254


def test_the_hash_is_that_of_all_pixels() -> None:
    tall = Image.fromarray(np.arange(8 * 700, dtype=np.uint16).astype(np.uint8).reshape(700, 8))
    changed = tall.copy()
    changed.putpixel((7, 699), 1)
    assert InputImage.read("image", tall, "L") != InputImage.read("image", changed, "L")
    assert InputImage.read("image", tall, "L") == InputImage.read("image", tall.copy(), "L")


def test_a_transparent_mask_reaches_the_request() -> None:
    with pytest.warns(ImageChanged):
        request = GenerationRequest(prompt="a", image=Image.new("RGB", (16, 16)), mask=painted((0, 0, 0)))
    assert np.asarray(request.mask.pixels).mean() == 127.5
