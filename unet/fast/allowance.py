"""Decides how much memory convolutions may use for transformed filters."""

import logging

from torch import nn

from limelight.unet.unet import UNet

logger = logging.getLogger(__name__)
_SMALL = 2**27  # bytes of filters that any model may keep; the smallest model needs no more
# For models larger than Stable Diffusion 1. There convolutions take less of the time, and most of that is
# spent on the largest grids, for which this is enough.
_LARGEST = 1200 * 2**20
_SHARE_OF_FREE = 0.25


def allowance(unet: UNet, share: float, free: int | None) -> int:
    """Bytes that filters may take.

    Args:
        share: the fraction of the weights' size.
        free: bytes of memory that the process may still take; None sets no limit.
    """
    wanted = share * sum(p.nbytes for p in unet.parameters())
    wanted = min(max(wanted, _SMALL), _LARGEST) if share else 0
    if free is None or wanted <= _SHARE_OF_FREE * free:
        return int(wanted)
    allowed = int(_SHARE_OF_FREE * free)
    logger.warning(
        "%.0f MiB of memory are free, so convolutions keep %.0f MiB of transformed filters, not %.0f; "
        "the picture is the same up to rounding, and takes longer",
        *(size / 2**20 for size in (free, allowed, wanted)),
    )
    return allowed


def tiles_by_layer(unet: UNet, left: float) -> dict[int, tuple[int, ...]]:
    """The tiles whose filters each convolution may keep, within `left` bytes. The largest grids come first,
    because filters save most time there."""
    tiles: dict[int, tuple[int, ...]] = {}
    for conv in _by_grid(unet):
        for allowed in ((1, 2, 4), (1, 2), (1,)):
            size = (allowed[-1] + 2) ** 2 / 9 * conv.weight.nbytes
            if size <= left:
                left -= size
                tiles[id(conv)] = allowed
                break
    return tiles


def _by_grid(unet: UNet) -> list[nn.Conv2d]:
    """3x3 convolutions that keep the size of their grid, those with the largest grid first."""
    n = len(unet.down_blocks)
    levels = [*enumerate(unet.down_blocks), (n - 1, unet.mid_block)]
    levels += [(n - 1 - i, block) for i, block in enumerate(unet.up_blocks)]
    found = []
    for level, block in levels:
        if block is None:
            continue
        for name, conv in block.named_modules():
            is_plain = isinstance(conv, nn.Conv2d) and conv.kernel_size == (3, 3) and conv.stride == (1, 1)
            if is_plain and conv.padding == (1, 1):
                found.append((level - ("upsamplers" in name), conv.weight.nbytes, conv))
    return [conv for *_, conv in sorted(found, key=lambda each: each[:2])]
