"""Small pictures, enlarged to be looked at."""

from functools import partial

import torch
from PIL import Image

from limelight.pipeline.enlarging import SHOCK_FILTER
from limelight.pipeline.enlarging.enlarger import Enlarger
from limelight.pipeline.enlarging.shock_filter import SCALE, shock_enlarged

SMALL = 128  # pixels of the longer side, up to which four times as large is quick


def enlarged(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """An RGB picture of this size: most of the way by `shock_enlarged`, the rest without overshoot."""
    scale = SCALE if max(picture.size) <= SMALL else 2
    by = Enlarger(SHOCK_FILTER, None, partial(shock_enlarged, scale=scale), scale, 1, torch.device("cpu"))
    large = by.enlarge(picture, scale)
    return large if large.size == size else large.resize(size, Image.Resampling.HAMMING)


def enlarged_to(picture: Image.Image, least: int) -> Image.Image:
    """The picture, if need be enlarged by a whole number so that its shorter side is at least `least`."""
    times = -(-least // min(picture.size))
    if times == 1:
        return picture
    return enlarged(picture, (picture.width * times, picture.height * times))
