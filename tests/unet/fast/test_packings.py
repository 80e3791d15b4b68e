"""Filters are stored in oneDNN's layout for the size that they are used at."""

import torch

from limelight.unet.fast.packings import Packings

GROUPS, CHANNELS = 36, 192


@torch.inference_mode()
def test_sizes_of_one_order_share_filters_and_others_have_their_own() -> None:
    u = torch.randn(GROUPS * CHANNELS, CHANNELS, 1, 1, generator=torch.Generator().manual_seed(0))
    packed_for = []

    def pack(size: tuple[int, ...]) -> torch.Tensor:
        packed_for.append(size)
        return torch.ops.mkldnn._reorder_convolution_weight(
            u, [0, 0], [1, 1], [1, 1], GROUPS, [1, GROUPS * CHANNELS, *size, 1]
        )

    packings = Packings(pack)
    sizes = (8, 64, 96, 8, 64)
    for size in sizes:
        order = torch.ops.mkldnn._get_mkldnn_serialized_md(packings.of(size))
        assert torch.equal(order, torch.ops.mkldnn._get_mkldnn_serialized_md(pack((size,))))
        del packed_for[-1]
    assert packed_for == [(8,), (64,), (96,)]  # each once
    assert packings.of(64) is packings.of(64)
    orders = {torch.ops.mkldnn._get_mkldnn_serialized_md(pack((size,))).numpy().tobytes() for size in sizes}
    assert len({id(packings.of(size)) for size in sizes}) == len(orders)
