"""Maps as pictures: a map's colours over the picture that it belongs to, and the scale beside them."""

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pipeline.colours import colour_table

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
    """The table of colours from 0 to `top`, with both numbers."""
    bar, font = Image.new("RGB", (width, 26), PAPER), ImageFont.load_default(size=11)
    strip = Image.fromarray(colour_table()[None]).resize((width, 8), Image.Resampling.BILINEAR)
    bar.paste(strip, (0, 0))
    draw = ImageDraw.Draw(bar)
    draw.text((0, 10), "0", fill=FAINT, font=font)
    draw.text((width, 10), f"{top:.1%}", fill=FAINT, font=font, anchor="ra")
    return bar
