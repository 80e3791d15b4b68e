"""Measures the two limits of this GPU: the rates of matrix products and of copies, on random numbers."""

from collections.abc import Iterator

import torch

from scripts.gpu.tools.card import Card, name_of, take_turns
from scripts.gpu.tools.findings import Finding

SIDE, TINY_SIDE = 8192, 64
COPIED, TINY_COPIED = 2**32, 2**16  # bytes


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    for dtype in card.dtypes:
        rate = matrix_rate(card, dtype, tiny=tiny)
        yield Finding(f"matrix product, {name_of(dtype)}", "measured", {"TFLOP/s": rate / 1e12})
    size = TINY_COPIED if tiny else COPIED
    source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=card.device)
    target = torch.empty_like(source)
    taken = take_turns(card, {"copy": lambda: target.copy_(source)}, rounds=5, calls=3)["copy"]
    yield Finding("copy, bytes read and written", "measured", {"TB/s": 2 * size / taken.median / 1e12})


def matrix_rate(card: Card, dtype: torch.dtype, *, tiny: bool) -> float:
    """Floating-point operations a second of the library's matrix product, an upper limit for a U-Net."""
    side = TINY_SIDE if tiny else SIDE
    a, b = (torch.randn(side, side, device=card.device, dtype=dtype) for _ in range(2))
    taken = take_turns(card, {"product": lambda: a @ b}, rounds=5, calls=5)["product"]
    return 2 * side**3 / taken.median
