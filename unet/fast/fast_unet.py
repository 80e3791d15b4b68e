"""One call that makes a U-Net fast on a CPU, with the same predictions but for rounding."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.attention.timings import Timings, cache_file
from limelight.unet.blocks import DownBlock
from limelight.unet.deep_feature import DeepFeature
from limelight.unet.fast import replay, rows
from limelight.unet.fast.allowance import allowance, tiles_by_layer
from limelight.unet.fast.convolution import FastConv2d
from limelight.unet.fast.linear import FastFeedForward, FastLinear, Products
from limelight.unet.fast.memory import give_back
from limelight.unet.transformer import FeedForward
from limelight.unet.unet import UNet

EXTRA_MEMORY = 0.36
_MUCH = 2**24  # bytes of what a call holds


class FastUNet(UNet):
    """A U-Net with the parts that `optimize` gave it; computes in channels-last order.

    Attributes:
        extra_memory: bytes that its convolutions may take for filters beside the weights.
        shares_rows: whether equal rows are computed once until they read their contexts.
        replays: calls that are repeated without the Python between their operations.
    """

    extra_memory: int
    shares_rows: bool
    replays: replay.Replays

    def levels(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        deep: DeepFeature | None,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        shared = rows.SharedRows.of(x, temb) if self.shares_rows else None
        if self.training or not torch.is_inference_mode_enabled() or torch.is_autocast_enabled("cpu"):
            return self._levels(x, temb, context, attention, deep, shared)
        first, place = (None, None) if shared is None else (shared.first, shared.place)
        kept = None if deep is None else deep.kept
        inputs = {"x": x, "temb": temb, "context": context, "first": first, "place": place, "kept": kept}
        compute, kind = (self._listed, "") if deep is None else (self._listed_deep, "deep")
        out, *left = self.replays.call(self, compute, inputs, attention, kind)
        if deep is not None and left:
            (deep.kept,) = left
        return out

    def _listed(
        self, inputs: replay.Inputs, attention: AttentionRuntime | None, deep: DeepFeature | None = None
    ) -> tuple[Tensor, ...]:
        x, temb, context, first, place, _ = inputs.values()
        assert x is not None and temb is not None
        shared = None if first is None or place is None else rows.SharedRows(first, place)
        return (self._levels(x, temb, context, attention, deep, shared),)

    def _listed_deep(self, inputs: replay.Inputs, attention: AttentionRuntime | None) -> tuple[Tensor, ...]:
        """The prediction, and the deep feature where it is new."""
        deep = DeepFeature(inputs["kept"])
        results = self._listed(inputs, attention, deep)
        return results if deep.kept is None or inputs["kept"] is not None else (*results, deep.kept)

    def _levels(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        deep: DeepFeature | None,
        shared: rows.SharedRows | None,
    ) -> Tensor:
        if shared is None or (deep is not None and deep.kept is not None):
            return super().levels(x, temb, context, attention, deep)
        x = self.conv_in(x[shared.first])
        skips, is_shared = [x[shared.place]], True
        for down in self.down_blocks:
            assert isinstance(down, DownBlock)
            if not is_shared:
                x, new = down(x, temb, context, attention)
            elif down.attentions:
                x, new = rows.down_to_context(down, x, temb, context, attention, shared)
                is_shared = False
            else:
                x, new = rows.down(down, x, temb, shared)
            skips += new
        return self.rise(x, temb, context, attention, skips, deep)

    def top(
        self,
        x: Tensor,
        temb: Tensor,
        context: Tensor | None,
        attention: AttentionRuntime | None,
        skips: list[Tensor],
        deep: DeepFeature | None,
    ) -> Tensor:
        _make_room([x, *skips])
        return super().top(x, temb, context, attention, skips, deep)


def _make_room(held: Sequence[Tensor]) -> None:
    """Gives back, in a call of large tensors, what glibc keeps of those that are gone: from the holes that
    they left each size would take others. A replay, in which holes and sizes come as they did, does not."""
    if sum(each.nbytes for each in held) >= _MUCH:
        give_back()


def optimize(
    unet: UNet,
    *,
    extra_memory: float = EXTRA_MEMORY,
    timings_file: Path | None = None,
    exact: bool = False,
) -> UNet:
    """`unet`, made fast where that pays: in float32 on a CPU where oneDNN multiplies faster than MKL does or
    its convolutions win; elsewhere `unet` as it is.

    What is returned has the same parameters under the same names, and changes of them are heeded, so weights
    load, save and merge as before. `unet` itself must not be used any more. Which way a convolution takes is
    measured when its size is first met, and remembered in `timings_file`.

    Args:
        extra_memory: of Winograd filters beside the weights, as a share of the weights' size; with 0 none are
            kept, and those that pay are made anew in each call. They take at most 1.2 GB, and a quarter of
            the memory that is free; a warning says where that is what keeps them few.
        timings_file: None is limelight/timings.json in the user's cache folder.
        exact: nothing is measured, and nothing depends on how much memory is free, so that the same input
            gives the same bits in every run.
    """
    if unet.device.type != "cpu" or unet.dtype != torch.float32 or not torch.backends.mkldnn.is_available():
        return unet
    timings = Timings(cache_file() if timings_file is None else timings_file, measures=not exact)
    extra_memory = 0 if exact else extra_memory
    fast = cast(FastUNet, copy.copy(unet))
    fast.__class__ = FastUNet
    fast.replays, fast.shares_rows = replay.Replays(), rows.can_share(fast.down_blocks)
    fast.extra_memory = allowance(fast, extra_memory)
    tiles = tiles_by_layer(fast, fast.extra_memory)
    products = Products(timings)
    for parent in list(fast.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d:
                setattr(parent, name, FastConv2d.of(child, timings, products, tiles.get(id(child), ())))
            elif type(child) is FeedForward:
                setattr(parent, name, FastFeedForward.of(child, timings, products))
            elif type(child) is nn.Linear:
                setattr(parent, name, FastLinear.of(child, products))
    return fast
