"""The kernel against the definition in float64: output and maps, in pages and not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, Backend, KeysValues
from limelight.attention.caches.contexts import PagedContexts
from limelight.attention.context import Pages

# rows, heads, key heads, queries, keys, head_dim
SHAPES = {
    "sd1 40": (1, 2, 2, 70, 77, 40),
    "sd1 160": (1, 2, 2, 17, 77, 160),
    "sdxl 64, three chunks": (1, 1, 1, 40, 231, 64),
    "whole blocks": (2, 1, 1, 64, 64, 64),
    "grouped": (1, 4, 2, 33, 77, 32),
    "multi-query": (1, 3, 1, 20, 16, 16),
    "one query": (3, 2, 2, 1, 5, 8),
    "most keys": (1, 1, 1, 20, 512, 24),
}
DTYPES = [torch.float32, torch.float16]  # the interpreter multiplies the bits of bfloat16 as integers


def definition(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Output and the mean over heads of the probabilities, in float64."""
    q, k, v = q.double(), k.double(), v.double()
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = torch.einsum("bhnd,bhmd->bhnm", q, k) * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    probabilities = scores.softmax(-1).nan_to_num(0.0)
    return torch.einsum("bhnm,bhmd->bhnd", probabilities, v), probabilities.mean(1)


def plain(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The rounding error alone, in the tensors' own dtype."""
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    return (q @ k.mT * scale).softmax(-1) @ v


def draw(shape: str, dtype: torch.dtype, device: str) -> tuple[Tensor, Tensor, Tensor]:
    b, h, hk, n, m, d = SHAPES[shape]
    torch.manual_seed(0)
    q, k, v = (torch.randn(b, length, heads, d) for heads, length in ((h, n), (hk, m), (hk, m)))
    return tuple(x.to(device, dtype).transpose(1, 2) for x in (q, k, v))  # type: ignore[return-value]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_output_and_maps_are_the_definition(
    shape: str, dtype: torch.dtype, backend: Backend, device: str
) -> None:
    q, k, v = draw(shape, dtype, device)
    exact, exact_means = definition(q, k, v, None, 0.2)
    out, means = backend.cross(q, (k, v), scale=0.2, mapped=True)
    without, nothing = backend.cross(q, (k, v), scale=0.2, mapped=False)
    assert nothing is None
    assert torch.equal(out, without)  # maps do not change a bit of the output
    assert out.dtype == dtype
    error, of_plain = ((x.double() - exact).abs().max() for x in (out, plain(q, k, v, 0.2)))
    assert error <= 2 * of_plain
    assert means is not None
    assert means.dtype == torch.float32
    torch.testing.assert_close(means.double(), exact_means, atol=2e-6, rtol=0)


@pytest.mark.parametrize("block_size", [16, 77])
def test_keys_in_pages_are_the_same_bits_as_keys_gathered(
    block_size: int, backend: Backend, device: str
) -> None:
    torch.manual_seed(0)
    q = torch.randn(3, 4, 20, 40).to(device, torch.float16)
    k, v = (
        torch.randn(9, block_size, 2, 40).to(device, torch.float16) for _ in range(2)
    )  # blocks token hk d
    blocks = torch.tensor([[3, 8], [8, 0], [5, 5]], device=device)
    length = 2 * block_size - 3  # the last block is not full
    keys, values = (x[blocks].flatten(1, 2)[:, :length].transpose(1, 2) for x in (k, v))
    for mapped in (False, True):
        paged = backend.cross(q, Pages(k, v, blocks, length), scale=0.3, mapped=mapped)
        gathered = backend.cross(q, (keys, values), scale=0.3, mapped=mapped)
        assert torch.equal(paged[0], gathered[0])
        if mapped:
            assert torch.equal(*(means for _, means in (paged, gathered)))


def test_prompts_of_several_lengths_are_read_in_place(backend: Backend, device: str) -> None:
    torch.manual_seed(0)
    pages = PagedContexts(max_bytes=2**24)

    def piece(seed: int) -> dict[str, KeysValues]:
        random = torch.Generator().manual_seed(seed)
        k, v = (torch.randn(1, 2, 5, 8, generator=random).to(device) for _ in range(2))
        return {"site": (k, v)}

    def refuse(*_: object, **__: object) -> Tensor:
        raise AssertionError("gathered")

    rows = [[1], [2, 3], [4], [1, 4]]
    q = torch.randn(4, 4, 30, 8, device=device)
    with pages.rows([[(n, lambda n=n: piece(n)) for n in row] for row in rows]) as groups:
        runtime = AttentionRuntime({"site": replace(backend, run=refuse)}, context=groups)
        out = runtime.attend_cross("site", q, groups, scale=0.4, grid=(5, 6), out_weight=torch.zeros(1, 32))
    for i, row in enumerate(rows):
        k, v = (torch.cat([piece(n)["site"][j] for n in row], dim=2) for j in (0, 1))
        alone, _ = backend.cross(q[i : i + 1], (k, v), scale=0.4, mapped=False)
        assert torch.equal(out[i : i + 1], alone)


@pytest.mark.parametrize("kind", ["bool", "bool per row", "additive", "lowest"])
def test_masks(kind: str, backend: Backend, device: str) -> None:
    q, k, v = (torch.randn(2, h, n, 8, device=device) for h, n in ((2, 20), (1, 13), (1, 13)))
    b, h, n, m = *q.shape[:3], k.shape[2]
    if kind == "bool":
        mask = torch.rand(b, 1, 1, m, device=device) > 0.3
    elif kind == "bool per row":
        mask = torch.rand(b, 1, n, m, device=device) > 0.3
        mask[:, :, 4] = False  # a query that may see no key
    else:
        mask = torch.randn(b, h, n, m, device=device)
        if kind == "lowest":  # what others write for -inf
            mask = torch.where(mask < 0, torch.finfo(torch.float32).min, 0.0)
            mask[:, :, 4] = torch.finfo(torch.float32).min
    exact, _ = definition(q, k, v, mask, 0.2)
    assert torch.equal(
        backend.attend(q, k, v, scale=0.2), backend.cross(q, (k, v), scale=0.2, mapped=False)[0]
    )
    out = backend.attend(q, k, v, mask=mask, scale=0.2)
    torch.testing.assert_close(out.double(), exact, atol=2e-6, rtol=1e-5)


def test_large_scores_do_not_overflow(backend: Backend, device: str) -> None:
    q, k, v = draw("sd1 40", torch.float32, device)
    exact, exact_means = definition(q, k, v, None, 300.0)
    out, means = backend.cross(q, (k, v), scale=300.0, mapped=True)
    torch.testing.assert_close(out.double(), exact, atol=2e-3, rtol=0)
    torch.testing.assert_close(means.double(), exact_means, atol=2e-3, rtol=0)


def test_it_is_one_node_of_a_compiled_graph(backend: Backend, device: str) -> None:
    def call(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor | None]:
        out, means = backend.cross(q * 2, (k, v), scale=0.2, mapped=True)
        return out.transpose(1, 2).flatten(2) + 1, means

    q, k, v = draw("multi-query", torch.float32, device)
    with torch.no_grad():
        compiled = torch.compile(call, fullgraph=True, backend="aot_eager")(q, k, v)
        assert all(torch.equal(a, b) for a, b in zip(compiled, call(q, k, v), strict=True))
