"""A convolution's filters as oneDNN wants them to lie, which depends on the size they are used for."""

from collections.abc import Callable

import torch
from torch import Tensor


class Packings:
    """Filters packed for every size that is met; sizes whose order is the same, which are most, share one.

    Used for a size of another order, filters would be laid out anew in each call: for those of many groups
    that takes ten to a thousand times as long as the convolution.

    Args:
        pack: the filters packed for a size, by torch.ops.mkldnn._reorder_convolution_weight.
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
