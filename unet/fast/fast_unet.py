"""Makes a U-Net fast on a CPU, with the same predictions up to rounding."""

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.attention.timings import Timings, cache_file
from limelight.unet.deep_feature import DeepCacheUNet, DeepFeature, Embedded
from limelight.unet.fast.allowance import allowance, tiles_by_layer
from limelight.unet.fast.capture import CapturedCalls
from limelight.unet.fast.convolution import FastConv2d
from limelight.unet.fast.graph import Inputs
from limelight.unet.fast.linear import FastFeedForward, FastLinear, Products
from limelight.unet.fast.shared_rows import SharedRows, can_share
from limelight.unet.freeu import FreeU
from limelight.unet.transformer import FeedForward
from limelight.unet.unet import UNet
from limelight.unet.weights.load import parameters_on_meta

EXTRA_MEMORY = 0.36
_Given = TypeVar("_Given", bound=UNet)
_MUCH = 2**24  # bytes of features in a call, from which memory is given back


class FastUNet(DeepCacheUNet):
    """A U-Net that shares the parameters of another one and has faster layers.

    It computes in channels-last order, captures its calls as graphs, and computes equal rows once until they
    read their contexts.

    Args:
        unet: remains usable; the two share their parameters.
        filter_bytes: memory that convolutions may take for filters, in addition to the weights.
    """

    can_compile = False

    def __init__(self, unet: UNet, filter_bytes: int, timings: Timings) -> None:
        with parameters_on_meta():
            super().__init__(unet.config)
        self.filter_bytes = filter_bytes
        self.timings = timings
        self.calls = CapturedCalls()
        self._shares_rows = can_share(unet.down_blocks)
        products, tiles = Products(timings), tiles_by_layer(unet, filter_bytes)

        def share(own: nn.Module, others: nn.Module) -> None:
            for name, layer in others.named_children():
                if type(layer) is nn.Conv2d:
                    setattr(own, name, FastConv2d.of(layer, timings, products, tiles.get(id(layer), ())))
                elif type(layer) is nn.Linear:
                    setattr(own, name, FastLinear.of(layer, products))
                elif not list(layer.children()):
                    setattr(own, name, layer)
                else:
                    if type(layer) is FeedForward:
                        setattr(own, name, FastFeedForward.of(getattr(own, name), timings, products))
                    share(getattr(own, name), layer)

        share(self, unet)
        self.train(unet.training)

    def settle(self) -> None:
        self.timings.settle()

    def predict(
        self,
        x: Tensor,
        embedded: Embedded,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        deep: DeepFeature | None,
        freeu: FreeU | None,
    ) -> Tensor:
        shared = None
        if self._shares_rows:
            kinds = [] if attention is None else attention.kinds(self.sites[0].name)
            shared = shared_rows(x, *embedded, torch.tensor(kinds) if kinds else None)
        inputs = {
            "x": x.contiguous(memory_format=torch.channels_last),
            "context": context,
            **embedded._asdict(),
            "first": None if shared is None else shared.first,
            "place": None if shared is None else shared.place,
            "kept": None if deep is None else deep.kept,
        }
        compute, kind = (self._plain, "") if deep is None else (self._deep, "deep")
        if freeu is not None:  # its factors differ from call to call
            out, *stored = compute(inputs, attention, freeu=freeu)
        elif self.training or not torch.is_inference_mode_enabled() or torch.is_autocast_enabled("cpu"):
            out, *stored = compute(inputs, attention)
        else:
            out, *stored = self.calls.call(self, compute, inputs, attention, kind)
        if deep is not None and stored:
            (deep.kept,) = stored
        return out

    def _plain(
        self,
        inputs: Inputs,
        attention: AttentionRuntime | None,
        deep: DeepFeature | None = None,
        freeu: FreeU | None = None,
    ) -> tuple[Tensor, ...]:
        x, context, timesteps, pooled, size_ids, time_cond, first, place, _ = inputs.values()
        assert x is not None and timesteps is not None
        temb = self.embed(timesteps, pooled, size_ids, time_cond)
        if first is None or place is None or (deep is not None and deep.kept is not None):
            return (self.walk(x, temb, context, attention, deep, freeu),)
        x = self.conv_in(x[first])
        x, skips = SharedRows(first, place).descend(self.down_blocks, x, temb, context, attention)
        return (self.rise(x, temb, context, attention, skips, deep, freeu),)

    def _deep(
        self, inputs: Inputs, attention: AttentionRuntime | None, freeu: FreeU | None = None
    ) -> tuple[Tensor, ...]:
        """The prediction, and the deep feature if it is new."""
        deep = DeepFeature(inputs["kept"])
        results = self._plain(inputs, attention, deep, freeu)
        return results if deep.kept is None or inputs["kept"] is not None else (*results, deep.kept)

    def release(self, features: Sequence[Tensor]) -> None:
        # glibc keeps freed memory, and allocations of other sizes fragment it. A graph need not give memory
        # back, because its sizes recur in the same order.
        if sum(each.nbytes for each in features) >= _MUCH:
            give_back()


def shared_rows(*inputs: Tensor | None) -> SharedRows | None:
    """The equal rows of these inputs; None if every row differs from the one before it."""
    given = [each.reshape(len(each), -1) for each in inputs if each is not None]
    alike = torch.stack([(each[1:] == each[:-1]).all(1) for each in given]).all(0)
    if not alike.any():
        return None
    is_first = torch.cat((alike.new_ones(1), ~alike))
    return SharedRows(is_first.nonzero().flatten(), is_first.cumsum(0) - 1)


def give_back() -> None:
    """Has glibc return freed memory to the system; with other C libraries nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def optimize(
    unet: _Given,
    *,
    extra_memory: float = EXTRA_MEMORY,
    free_memory: int | None = None,
    timings_file: Path | None = None,
    exact: bool = False,
) -> _Given | FastUNet:
    """The fast form of `unet`, or `unet` itself if that would not pay.

    It pays in float32 on a CPU where oneDNN multiplies faster than MKL, or where its convolutions are faster.
    The fast form shares the parameters, under the same names, and follows their changes, so weights load,
    save and merge as before. Algorithms of convolutions are measured when a size first occurs, and kept in
    `timings_file`.

    Args:
        extra_memory: memory for Winograd filters, as a fraction of the weights' size; with 0 none are kept,
            and those that pay are made in each call. They take at most 1.2 GB and a quarter of `free_memory`;
            a warning says if that limits them.
        free_memory: bytes that the process may still take; None sets no limit.
        timings_file: None means limelight/timings.json in the user's cache folder.
        exact: measure nothing and do not depend on free memory, so that the same input gives the same bits in
            every run.
    """
    if unet.device.type != "cpu" or unet.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return unet
    if exact:
        timings, extra_memory = Timings(None), 0
        timings.settle()
    else:
        timings = Timings(cache_file() if timings_file is None else timings_file)
    return FastUNet(unet, allowance(unet, extra_memory, free_memory), timings)
