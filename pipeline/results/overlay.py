"""Draws maps as colours over a picture, with a colour scale.

The colours go in even steps of lightness from dark blue through teal to lime. They can be read by people who
do not distinguish red and green.
"""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

# Ottosson 2020, "A perceptual color space for image processing": OKLab to linear sRGB
_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
DARK, MIDDLE, LIGHT = (0.20, 0.02, -0.11), (0.585, -0.11, -0.015), (0.97, -0.06, 0.17)  # L a b


def from_oklab(colours: Float[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    """sRGB of OKLab colours (lightness 0..1, a, b), clipped to the gamut."""
    linear = np.clip((colours @ _TO_LMS.T) ** 3 @ _TO_RGB.T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (encoded * 255).round().astype(np.uint8)


def colour_table(size: int = 256) -> UInt8[np.ndarray, "n 3"]:
    """sRGB from the darkest to the lightest colour: a quadratic Bezier curve in OKLab with linear
    lightness."""
    t = np.linspace(0, 1, size)[:, None]
    dark, middle, light = (np.array(colour) for colour in (DARK, MIDDLE, LIGHT))
    return from_oklab((1 - t) ** 2 * dark + 2 * t * (1 - t) * middle + t**2 * light)


OPACITY = 0.8
INK = (24, 24, 32)
FAINT = (110, 110, 122)
PAPER = (255, 255, 255)


def overlay(
    picture: Image.Image, values: Float[Tensor, "h w"], top: float, *, opacity: float = OPACITY
) -> Image.Image:
    """The picture in grey under the map's colours, at the picture's size.

    Args:
        top: the value that gets the lightest colour; 0 gets the darkest.
    """
    share = (values / top if top > 0 else values * 0).clamp(0, 1).numpy()
    level = Image.fromarray((share * 255).round().astype(np.uint8)).resize(
        picture.size, Image.Resampling.BICUBIC
    )
    colours = Image.fromarray(colour_table()[np.asarray(level)])
    return Image.blend(picture.convert("L").convert("RGB"), colours, opacity)


def scale_bar(width: int, top: float) -> Image.Image:
    """The colour scale from 0 to `top`, with both numbers."""
    bar, font = Image.new("RGB", (width, 26), PAPER), ImageFont.load_default(size=11)
    strip = Image.fromarray(colour_table()[None]).resize((width, 8), Image.Resampling.BILINEAR)
    bar.paste(strip, (0, 0))
    draw = ImageDraw.Draw(bar)
    draw.text((0, 10), "0", fill=FAINT, font=font)
    draw.text((width, 10), f"{top:.1%}", fill=FAINT, font=font, anchor="ra")
    return bar
