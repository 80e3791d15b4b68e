"""Checks the Triton kernel for cross-attention: right with paged and contiguous keys, and the same output
bits with and without its maps. Its time is compared with SDPA plus maps that the recorder computes."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from limelight.attention import AttentionSpec, Backend, attend, get
from limelight.attention.context import Pages
from limelight.attention.recording.effective import probabilities
from scripts.gpu.parts.backends import first_line
from scripts.gpu.tools.card import Card, error, name_of, take_turns
from scripts.gpu.tools.findings import Finding

SIZES = {  # (head dim, keys); each needs three programs, which take seconds to compile
    torch.float16: ((40, 77), (80, 77), (160, 77), (64, 154), (40, 308), (160, 308)),
    torch.bfloat16: ((64, 77),),
}
TIMED = {  # (rows, heads, queries, head dim)
    "SD1.5 512, 64 x 64": (16, 8, 4096, 40),
    "SD1.5 512, 32 x 32": (16, 8, 1024, 80),
    "SDXL 1024, 64 x 64": (2, 10, 4096, 64),
    "SDXL 1024, 32 x 32": (2, 20, 1024, 64),
}
TINY = {"tiny": (2, 2, 16, 8)}
PAGE = 77


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    kernel = get("triton")
    if reason := kernel.missing():
        yield Finding("the kernel", "refused", {}, reason)
        if not tiny:
            return
        kernel = replace(get("math"), cross=cross)  # so that a dry run goes through the lines below
    for dtype in card.dtypes:
        for dim, num_keys in ((8, 5),) if tiny else SIZES[dtype]:
            yield of_size(card, kernel, dtype, dim, num_keys, 5 if tiny else PAGE)
        for name, shape in (TINY if tiny else TIMED).items():
            yield from speeds(card, kernel, dtype, name, shape, 5 if tiny else PAGE)


def cross(
    q: Tensor, keys: tuple[Tensor, Tensor] | Pages, *, scale: float, mapped: bool
) -> tuple[Tensor, Tensor | None]:
    """The definition of attention, in the place of the kernel in a dry run on a CPU."""
    k, v = gathered(keys) if isinstance(keys, Pages) else keys
    means = torch.stack([probabilities(*row, scale=scale).mean(0) for row in zip(q, k, strict=True)])
    return attend(q, k, v, scale=scale), means if mapped else None


def gathered(pages: Pages) -> tuple[Tensor, Tensor]:
    """Keys and values copied from their pages into one contiguous row."""
    k, v = (x[pages.blocks].flatten(1, 2)[:, : pages.length].transpose(1, 2) for x in (pages.k, pages.v))
    return k, v


def draw(
    device: torch.device, dtype: torch.dtype, shape: tuple[int, int, int, int], num_keys: int, page: int
) -> tuple[Tensor, Pages]:
    """Random queries, and keys and values in pages in random order."""
    torch.manual_seed(0)
    rows, heads, queries, dim = shape
    num_pages = -(-num_keys // page)
    q = torch.randn(rows, queries, heads, dim, device=device, dtype=dtype).transpose(1, 2)
    k, v = (torch.randn(rows * num_pages, page, heads, dim, device=device, dtype=dtype) for _ in range(2))
    blocks = torch.randperm(rows * num_pages, device=device).view(rows, num_pages)
    return q, Pages(k, v, blocks, num_keys)


def of_size(card: Card, kernel: Backend, dtype: torch.dtype, dim: int, num_keys: int, page: int) -> Finding:
    """The findings for one size: right, the same bits with maps and without, the same bits with pages and
    without."""
    case = f"head dim {dim}, {num_keys} keys, {name_of(dtype)}"
    q, pages = draw(card.device, dtype, (2, 8, 300, dim), num_keys, page)
    k, v = gathered(pages)
    if reasons := kernel.refusals(AttentionSpec.of(q, k, v)):
        return Finding(case, "refused", {}, "; ".join(reasons))
    scale, run = dim**-0.5, kernel.cross
    assert run is not None
    try:
        out, means = run(q, (k, v), scale=scale, mapped=True)
        plain, _ = run(q, (k, v), scale=scale, mapped=False)
        paged, paged_means = run(q, pages, scale=scale, mapped=True)
    except Exception as failure:  # the compiler's own errors have many types
        return Finding(case, "wrong", {}, f"accepted and then: {first_line(failure)}")
    assert means is not None and paged_means is not None
    exact = attend(q.double(), k.double(), v.double(), scale=scale, backend="math")
    expected = torch.stack(
        [probabilities(a.double(), b.double(), scale=scale) for a, b in zip(q, k, strict=True)]
    ).mean(1)
    numbers = {
        "error": error(out, exact),
        "of math": error(attend(q, k, v, scale=scale, backend="math"), exact),
        "maps off by": float((means - expected).abs().max()),
        "same bits with maps": "yes" if torch.equal(out, plain) else "no",
        "same bits in pages": "yes" if torch.equal(out, paged) and torch.equal(means, paged_means) else "no",
    }
    is_right = (
        numbers["error"] <= max(2 * numbers["of math"], 1e-6)
        and numbers["maps off by"] <= 2e-5
        and "no" not in numbers.values()
    )
    return Finding(case, "right" if is_right else "wrong", numbers)


def speeds(
    card: Card, kernel: Backend, dtype: torch.dtype, name: str, shape: tuple[int, int, int, int], page: int
) -> Iterator[Finding]:
    """Times the kernel with maps and without, SDPA alone, and SDPA with the recorder's own probabilities."""
    q, pages = draw(card.device, dtype, shape, page, page)
    k, v = (x.contiguous() for x in gathered(pages))
    scale, run = shape[3] ** -0.5, kernel.cross
    assert run is not None

    def recomputed() -> None:
        attend(q, k, v, scale=scale, backend="sdpa")
        for row in range(0, len(q), 2):  # only one row of a guided pair is recorded
            probabilities(q[row], k[row], scale=scale).mean(0)

    ways = {
        "sdpa": partial(attend, q, k, v, scale=scale, backend="sdpa"),
        "sdpa and recomputed maps": recomputed,
        "kernel": partial(run, q, (k, v), scale=scale, mapped=False),
        "kernel with maps": partial(run, q, (k, v), scale=scale, mapped=True),
    }
    taken = take_turns(card, ways, rounds=5, calls=5)
    for way, timed in taken.items():
        numbers = {"us": 1e6 * timed.median, "of sdpa": timed.over(taken["sdpa"])}
        yield Finding(f"{name}, {name_of(dtype)}, {way}", "measured", numbers)
