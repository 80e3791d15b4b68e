"""Convolutions in channels-last order, each by the algorithm that is fastest for its size."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limelight.attention.timings import Timings
from limelight.unet.fast import winograd
from limelight.unet.fast.linear import Products, is_usable
from limelight.unet.fast.packings import Packings

_Run = Callable[[Tensor], Tensor]


class FastConv2d(nn.Conv2d):
    """A convolution that shares the parameters of the one that it replaces, in channels-last order.

    Attributes:
        tiles: the filters that it may keep: 1 for a copy in oneDNN's own order, m = 2 and 4 for Winograd
            filters. It keeps those that are fastest for a size that has occurred. Filters that it may not
            keep can be made in each call.
    """

    timings: Timings
    products: Products
    tiles: tuple[int, ...]
    _kept: dict[
        int, tuple[object, Packings | winograd.Filters]
    ]  # by m, with the state of the weights from which it was made
    _chosen: dict[tuple[int, ...], str]

    @classmethod
    def of(
        cls, layer: nn.Conv2d, timings: Timings, products: Products, tiles: tuple[int, ...] = ()
    ) -> "FastConv2d":
        fast = cls(
            layer.in_channels,
            layer.out_channels,
            layer.kernel_size,  # type: ignore[arg-type]
            layer.stride,  # type: ignore[arg-type]
            layer.padding,  # type: ignore[arg-type]
            bias=layer.bias is not None,
            device="meta",
        )
        fast.weight, fast.bias = layer.weight, layer.bias
        fast.weight.data = fast.weight.data.contiguous(memory_format=torch.channels_last)
        fast.timings, fast.products, fast.tiles = timings, products, tiles
        fast._kept = {}
        fast._chosen = {}
        return fast.train(layer.training)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        if not is_usable(x, self.weight, self.bias):
            return super().forward(x)
        if self.kernel_size == (1, 1) and self.stride == (1, 1):
            return self._as_linear(x)
        b, _, h, w = x.shape
        size = (1 << (b - 1).bit_length(), h, w, torch.get_num_threads())
        if size not in self._chosen:
            runs = self._runs()
            case = (
                f"convolution {self.in_channels} {self.out_channels} {self.kernel_size[0]} {self.stride[0]}, "
                f"{size[:3]}, by {' or '.join(runs)}"
            )
            self._chosen[size] = self.timings.fastest(
                case, lambda: {name: partial(run, x) for name, run in runs.items()}
            )
            for m in [m for m in self._kept if f"tiles of {m}" not in self._chosen.values()]:
                del self._kept[m]
        return self._runs()[self._chosen[size]](x)

    def _runs(self) -> dict[str, _Run]:
        runs: dict[str, _Run] = {"direct": super().forward, "columns": self._of_columns}
        if 2 in self.tiles:  # then neither wins, and measuring them takes longer than everything else
            runs.clear()
        runs |= {f"tiles of {m}": partial(self._by_tiles, m=m) for m in self.tiles}
        if self.kernel_size == (3, 3) and self.stride == (1, 1) and self.padding == (1, 1):
            uncached = [m for m in (2, 4) if m not in self.tiles]
            runs |= {f"tiles of {m}, uncached": partial(self._by_tiles_uncached, m=m) for m in uncached}
        return runs

    def _as_linear(self, x: Tensor) -> Tensor:
        y = self.products(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias)
        return y.permute(0, 3, 1, 2)

    def _of_columns(self, x: Tensor) -> Tensor:
        """One matrix product with the neighbourhoods of all positions (im2col)."""
        (kh, kw), (sh, sw) = self.kernel_size, self.stride
        ph, pw = map(int, self.padding)
        x = F.pad(x.permute(0, 2, 3, 1), (0, 0, pw, pw, ph, ph)).contiguous()  # b h w i
        b, height, width, i = x.shape
        h, w = (height - kh) // sh + 1, (width - kw) // sw + 1
        s = x.stride()
        windows = x.as_strided((b, h, w, kh, kw, i), (s[0], sh * s[1], sw * s[2], s[1], s[2], 1))
        weight = self.weight.permute(0, 2, 3, 1).flatten(1)  # a view, since weights are channels last
        y = self.products(windows.reshape(b, h, w, kh * kw * i), weight, self.bias)
        return y.permute(0, 3, 1, 2)

    def _by_tiles(self, x: Tensor, m: int) -> Tensor:
        assert self.bias is not None  # no convolution of a U-Net lacks it
        of = (_state(self.weight), _state(self.bias))
        if m not in self._kept or self._kept[m][0] != of:  # new, or the weights have changed
            filters = winograd.Filters(self.weight, self.bias, m) if m > 1 else self._packings()
            self._kept[m] = of, filters
        filters = self._kept[m][1]
        if isinstance(filters, winograd.Filters):
            return winograd.convolve(x, filters)
        packed = filters.of(*x.shape)
        return torch.ops.mkldnn._convolution_pointwise(
            x, packed, self.bias, self.padding, self.stride, self.dilation, 1, "none", [], ""
        )

    def _by_tiles_uncached(self, x: Tensor, m: int) -> Tensor:
        return winograd.convolve_uncached(x, self.weight, self.bias, m, self.products.prefers_onednn)

    def _packings(self) -> Packings:
        # Refers to the weight only: a reference to the layer would keep an unused model in memory.
        weight, facts = self.weight.detach(), (self.padding, self.stride, self.dilation, 1)
        reorder = torch.ops.mkldnn._reorder_convolution_weight
        return Packings(lambda size: reorder(weight, *facts, list(size)))


def _state(weight: Tensor) -> tuple[int, int]:
    """A value that differs once the weight has changed. Weights made in inference mode cannot change."""
    return weight.data_ptr(), 0 if weight.is_inference() else weight._version
