"""A convolution's filters in oneDNN's memory layout, which depends on the size of the input."""

from collections.abc import Callable

import torch
from torch import Tensor


class Packings:
    """Filters packed for every size that occurs. Most sizes have the same layout and share one copy.

    If the layout did not fit the size, oneDNN would convert the filters in each call. With many groups that
    takes ten to a thousand times as long as the convolution.

    Args:
        pack: returns the filters packed for a size, from torch.ops.mkldnn._reorder_convolution_weight.
    """

    def __init__(self, pack: Callable[[tuple[int, ...]], Tensor]) -> None:
        self._pack = pack
        self._orders: dict[tuple[int, ...], bytes] = {}  # by size
        self._packed: dict[bytes, Tensor] = {}  # by order

    def of(self, *size: int) -> Tensor:
        if size not in self._orders:
            packed = self._pack(size)
            order = torch.ops.mkldnn._get_mkldnn_serialized_md(packed).numpy().tobytes()
            self._orders[size] = order
            self._packed.setdefault(order, packed)
        return self._packed[self._orders[size]]
