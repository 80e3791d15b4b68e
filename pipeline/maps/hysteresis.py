"""From a map to a mask: where it is strong, and what is joined to that.

Source: Canny 1986, "A Computational Approach to Edge Detection", section VII.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

STRONG, WEAK = 0.6, 0.4  # of the map's largest value: where a word is, and how far around that it reaches


def hysteresis(map: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """The pixels of at least `WEAK` of the largest value that are joined to one of at least `STRONG`."""
    weak = (map >= WEAK * map.max()) & (map > 0)
    reached = map >= STRONG * map.max()
    while True:
        spread = dilated(reached, 1, 1) & weak
        if torch.equal(spread, reached):
            return reached & weak
        reached = spread


def dilated(mask: Bool[Tensor, "h w"], rows: int, columns: int) -> Bool[Tensor, "h w"]:
    """The mask grown by this many rows and columns in every direction."""
    size = 2 * rows + 1, 2 * columns + 1
    return F.max_pool2d(mask[None, None].float(), size, 1, (rows, columns))[0, 0] > 0
