"""How far two images are apart."""

import numpy as np
from PIL import Image


def largest_difference(a: Image.Image, b: Image.Image) -> int:
    """The largest difference of any channel of any pixel, 0 to 255."""
    return int(np.abs(np.asarray(a, dtype=int) - np.asarray(b, dtype=int)).max())
