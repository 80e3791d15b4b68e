"""Caches for decoding hold what was put in, for every sequence, however they are split and chosen."""

import pytest
import torch

from limelight.attention import attend, backends
from limelight.attention.caches.decoding import DecodingCache, KVCache, PagedKVCache

CACHES = {
    "contiguous": lambda: KVCache(block_size=8),
    "paged": lambda: PagedKVCache(block_size=4, num_blocks=2),
}
HERE = [b.name for b in backends if not b.missing() and {"cpu", "any"} & set(b.capability.devices)]
HERE.remove("onednn")  # knows neither float64 nor masks


@pytest.fixture(params=CACHES)
def cache(request: pytest.FixtureRequest) -> DecodingCache:
    return CACHES[request.param]()


def test_appended_keys_and_values_come_back(cache: DecodingCache) -> None:
    parts = [[torch.randn(3, 2, n, 5) for _ in range(2)] for n in (7, 1, 1, 20, 1)]
    assert (cache.length(), cache.batch) == (0, 0)
    for i, (k, v) in enumerate(parts):
        for layer in range(3):  # as a model does: every layer, then the next tokens
            keys, values = cache.append(layer, k + layer, v + layer)
            assert torch.equal(keys, torch.cat([k for k, _ in parts[: i + 1]], dim=2) + layer)
            assert torch.equal(values, torch.cat([v for _, v in parts[: i + 1]], dim=2) + layer)
    assert (cache.length(2), cache.batch) == (30, 3)
    cache.reset()
    assert (cache.length(), cache.batch) == (0, 0)
    k = torch.randn(1, 2, 3, 5)
    assert torch.equal(cache.append(0, k, k)[0], k)


def test_sequences_can_be_chosen_and_then_go_their_own_ways(cache: DecodingCache) -> None:
    k = torch.randn(2, 2, 6, 5)
    cache.append(0, k, -k)
    rows = torch.tensor([1, 1, 0, 1])
    cache.select(rows)
    new = torch.randn(4, 2, 3, 5)
    keys, values = cache.append(0, new, -new)
    assert torch.equal(keys, torch.cat([k[rows], new], dim=2))
    assert torch.equal(values, -keys)


def test_chosen_sequences_share_blocks_until_one_is_written() -> None:
    cache = PagedKVCache(block_size=4, num_blocks=16)
    k = torch.randn(1, 2, 10, 5)
    cache.append(0, k, k)
    assert cache.pager.num_free == 13
    cache.select(torch.zeros(8, dtype=torch.long))
    assert cache.pager.num_free == 13
    new = torch.randn(8, 2, 1, 5)
    cache.append(0, new, new)
    assert cache.pager.num_free == 13 - 7  # each has a last block of its own, one of them the old
    cache.reset()
    assert cache.pager.num_free == cache.pager.num_blocks


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("hk", [4, 2, 1])
@pytest.mark.parametrize("case", ["causal", "mask"])
def test_backends_read_pages_as_the_definition_does(name: str, hk: int, case: str) -> None:
    torch.manual_seed(0)
    cache = PagedKVCache(block_size=4, num_blocks=1)
    k, v = (torch.randn(2, hk, 11, 8, dtype=torch.float64) for _ in range(2))
    q = torch.randn(2, 4, 5, 8, dtype=torch.float64)
    cache.append(0, k[:, :, :6], v[:, :, :6])
    keys, values = cache.append(0, k[:, :, 6:], v[:, :, 6:])
    mask = torch.rand(2, 1, 5, 11) < 0.7
    mask[..., 0] = True
    out = attend(
        q, keys, values, causal=case == "causal", mask=mask if case == "mask" else None, backend=name
    )
    wide_k, wide_v = (x.repeat_interleave(4 // hk, 1) for x in (k, v))
    visible = mask if case == "mask" else torch.ones(5, 11, dtype=torch.bool).tril(6)
    scores = (q @ wide_k.mT / 8**0.5).masked_fill(~visible, -torch.inf)
    torch.testing.assert_close(out, scores.softmax(-1) @ wide_v, atol=1e-12, rtol=0)
