"""Multi-head attention with shared key heads, against the definition, and with a cache."""

import pytest
import torch
from torch import Tensor

from limelight.attention import MultiHeadAttention, backends
from limelight.attention.caches.decoding import KVCache, LayerCache, PagedKVCache

HERE = [b.name for b in backends if not b.missing() and {"cpu", "any"} & set(b.capability.devices)]
HERE.remove("onednn")  # knows neither float64 nor masks


def oracle(
    layer: MultiHeadAttention, x: Tensor, context: Tensor, mask: Tensor | None, causal: bool
) -> Tensor:
    """Head by head, in loops."""
    q, k, v = layer.to_q(x), layer.to_k(context), layer.to_v(context)
    d, groups = layer.head_dim, layer.num_heads // layer.num_kv_heads
    outs = []
    for i in range(layer.num_heads):
        of_q, of_k = slice(i * d, (i + 1) * d), slice(i // groups * d, (i // groups + 1) * d)
        scores = q[..., of_q] @ k[..., of_k].mT / d**0.5
        n, m = scores.shape[-2:]
        if causal:
            scores = scores.masked_fill(torch.ones(n, m, dtype=torch.bool).triu(m - n + 1), -torch.inf)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, 0], -torch.inf)
        outs.append(scores.softmax(-1) @ v[..., of_k])
    return layer.to_out(torch.cat(outs, dim=-1))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("num_kv_heads", [6, 3, 2, 1])
@pytest.mark.parametrize("case", ["self", "causal", "cross", "mask", "causal and mask"])
@torch.no_grad()
def test_heads_are_shared_as_defined(name: str, num_kv_heads: int, case: str) -> None:
    torch.manual_seed(0)
    context_dim = 10 if case == "cross" else None
    layer = MultiHeadAttention(
        24, num_heads=6, num_kv_heads=num_kv_heads, head_dim=8, context_dim=context_dim, bias=True
    ).double()
    x = torch.randn(2, 9, 24, dtype=torch.float64)
    context = torch.randn(2, 5, 10, dtype=torch.float64) if case == "cross" else None
    mask = torch.rand(2, 1, 9, 9) < 0.7
    mask[..., 0] = True
    mask = mask if "mask" in case else None
    out = layer(x, context, mask=mask, causal="causal" in case, backend=name)
    expected = oracle(layer, x, x if context is None else context, mask, "causal" in case)
    torch.testing.assert_close(out, expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("cache", [KVCache(block_size=4), PagedKVCache(block_size=4, num_blocks=1)])
@torch.no_grad()
def test_token_by_token_is_all_at_once(cache: KVCache | PagedKVCache) -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(24, num_heads=6, num_kv_heads=2).double()
    x = torch.randn(3, 21, 24, dtype=torch.float64)
    kept = LayerCache(cache, 0)
    pieces = [layer(part, causal=True, cache=kept) for part in x.split([5, 1, 1, 7, 1, 6], dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), layer(x, causal=True), atol=1e-12, rtol=0)


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="num_heads is 6 and num_kv_heads 4; query heads share key heads ev"):
        MultiHeadAttention(24, num_heads=6, num_kv_heads=4)
    with pytest.raises(ValueError, match="dim is 25 and num_heads 6; must divide, or head_dim be given"):
        MultiHeadAttention(25, num_heads=6)
