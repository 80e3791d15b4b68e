"""One call that makes a U-Net fast on a CPU, with the same predictions but for rounding."""

import ctypes
import sys
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.attention.timings import Timings, cache_file
from limelight.unet.deep_feature import DeepCacheUNet, DeepFeature
from limelight.unet.fast.allowance import allowance, tiles_by_layer
from limelight.unet.fast.capture import CapturedCalls
from limelight.unet.fast.convolution import FastConv2d
from limelight.unet.fast.graph import Inputs
from limelight.unet.fast.linear import FastFeedForward, FastLinear, Products
from limelight.unet.fast.shared_rows import SharedRows, can_share
from limelight.unet.freeu import FreeU
from limelight.unet.inputs import check_inputs
from limelight.unet.transformer import FeedForward
from limelight.unet.unet import UNet
from limelight.unet.weights.load import parameters_on_meta

EXTRA_MEMORY = 0.36
_Given = TypeVar("_Given", bound=UNet)
_MUCH = 2**24  # bytes of the features that a call holds


class FastUNet(DeepCacheUNet):
    """A U-Net with the parameters of another one, and faster layers around them. It computes in channels-last
    order, repeats its calls as graphs, and computes equal rows once until they read their contexts.

    Args:
        unet: may go on being used; a change of its parameters is a change of these.
        filter_bytes: how much memory the convolutions may take for filters, besides the weights.
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

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        timesteps: Shaped[Tensor, " b"],
        context: Float[Tensor, "b m k"] | None,
        pooled: Float[Tensor, "b p"] | None = None,
        size_ids: Shaped[Tensor, "b s"] | None = None,
        attention: AttentionRuntime | None = None,
        *,
        time_cond: Float[Tensor, "b e"] | None = None,
        freeu: FreeU | None = None,
        deep: DeepFeature | None = None,
    ) -> Float[Tensor, "b o h w"]:
        """As `DeepCacheUNet.forward`."""
        check_inputs(self.config, self.dtype, x, timesteps, context, pooled, size_ids, attention, time_cond)
        if deep is not None:
            deep.check(x)
        embedded = {"timesteps": timesteps, "pooled": pooled, "size_ids": size_ids, "time_cond": time_cond}
        shared = None
        if self._shares_rows:
            kinds = [] if attention is None else attention.kinds(self.sites[0].name)
            shared = SharedRows.of(x, *embedded.values(), torch.tensor(kinds) if kinds else None)
        inputs = {
            "x": x.contiguous(memory_format=torch.channels_last),
            "context": context,
            **embedded,
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
        """The prediction, and the deep feature where it is new."""
        deep = DeepFeature(inputs["kept"])
        results = self._plain(inputs, attention, deep, freeu)
        return results if deep.kept is None or inputs["kept"] is not None else (*results, deep.kept)

    def top(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
        deep: DeepFeature | None,
        freeu: FreeU | None = None,
    ) -> Tensor:
        # glibc keeps the memory of tensors that are gone, and from the holes that they leave each size takes
        # others. A repeated call, in which holes and sizes come as they did, need not give them back.
        if sum(each.nbytes for each in (x, *skips)) >= _MUCH:
            give_back()
        return super().top(x, temb, context, attention, skips, deep, freeu)


def give_back() -> None:
    """Lets glibc return to the system what it keeps of freed memory; elsewhere it stays."""
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
    """`unet`, made fast where that pays: in float32 on a CPU where oneDNN multiplies faster than MKL does or
    its convolutions win; elsewhere `unet` as it is.

    What is returned has the same parameters under the same names, and changes of them are heeded, so weights
    load, save and merge as before. How a convolution is computed is measured when its size is first met, and
    remembered in `timings_file`.

    Args:
        extra_memory: of Winograd filters, as a share of the weights' size; with 0 none are
            kept, and those that pay are made in each call. They take at most 1.2 GB, and a quarter of
            `free_memory`; a warning says where that is what keeps them few.
        free_memory: bytes that the process may still take; None sets no limit.
        timings_file: None is limelight/timings.json in the user's cache folder.
        exact: nothing is measured, and nothing depends on how much memory is free, so that the same input
            gives the same bits in every run.
    """
    if unet.device.type != "cpu" or unet.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return unet
    if exact:
        timings, extra_memory = Timings(None), 0
        timings.settle()
    else:
        timings = Timings(cache_file() if timings_file is None else timings_file)
    return FastUNet(unet, allowance(unet, extra_memory, free_memory), timings)
