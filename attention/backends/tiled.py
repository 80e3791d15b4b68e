"""Attention one tile of scores at a time, in plain torch. It runs everywhere, in memory that grows with n +
m.

Each query keeps its largest score so far, the sum of its weights and the sum of its weighted values. When a
later tile raises the largest score, the two sums are rescaled.

Source: Rabe & Staats 2021, arXiv:2112.05682; Milakov & Gimelshein 2018, arXiv:1805.02867, algorithm 3.
"""

from math import e, log2

import torch
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.capability import ANY_DEVICE, FLOATS, Capability, Limits

CAPABILITY = Capability(
    {
        ANY_DEVICE: Limits(dtypes=FLOATS, grad=False),
        "mps": Limits(dtypes=FLOATS - {torch.float64}, grad=False),
    }
)
# Keys and scores of one tile. On a CPU the scores (1 MiB in float32) stay in the cache. On other devices
# every tile costs a few kernel launches, so tiles are large.
TILE = {"cpu": (512, 2**18)}
TILE_ELSEWHERE = (4096, 2**24)
LOG2_E = log2(e)


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    b, h, n, _ = q.shape
    m, groups = k.shape[2], h // k.shape[1]
    max_keys, max_scores = TILE.get(q.device.type, TILE_ELSEWHERE)
    num_keys = min(m, max_keys)
    num_queries = min(n, max(1, max_scores // num_keys))
    scratch = q.new_empty(num_queries * num_keys, dtype=torch.promote_types(q.dtype, torch.float32))
    mask = None if mask is None else mask.expand(b, h, n, m)
    out = torch.empty_like(q)
    for i in range(b):
        for j in range(h):
            keys, values = (x[i, j // groups].to(scratch.dtype) for x in (k, v))
            for start in range(0, n, num_queries):
                block = slice(start, min(start + num_queries, n))
                out[i, j, block] = _attend_block(
                    q[i, j, block].to(scratch.dtype),
                    keys,
                    values,
                    mask=None if mask is None else mask[i, j, block],
                    last_key=start + m - n if causal else None,
                    scale=scale,
                    scratch=scratch,
                    num_keys=num_keys,
                )
    return out


def _attend_block(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None,
    last_key: int | None,
    scale: float,
    scratch: Tensor,
    num_keys: int,
) -> Tensor:
    """A block of queries of one head, n d, against all of its keys, `num_keys` at a time.

    Args:
        last_key: the last key that the first query may see; each query sees one more than the query before
            it. None lets every query see every key.
    """
    n, m = len(q), len(k)
    # 2 ** (x log2 e), since e ** x is slow where results are tiny. An additive mask may hold the lowest
    # number of the dtype, which would overflow if multiplied by log2 e: then the factor is applied later.
    early = mask is None or mask.dtype == torch.bool
    # Starts finite, so that a query that may see no key gets weights of 0 and not NaN.
    top = q.new_full((n, 1), torch.finfo(q.dtype).min)
    total, out = q.new_zeros(n, 1), torch.zeros_like(q)
    for start in range(0, m if last_key is None else min(m, last_key + n), num_keys):
        stop = min(start + num_keys, m)
        scores = scratch[: n * (stop - start)].view(n, stop - start)
        scores.addmm_(q, k[start:stop].mT, beta=0, alpha=scale * LOG2_E if early else scale)
        if mask is not None:
            part = mask[:, start:stop]
            _ = scores.masked_fill_(~part, -torch.inf) if early else scores.add_(part)
        if last_key is not None and stop > last_key + 1:
            scores.masked_fill_(_later(n, start, stop, last_key, q.device), -torch.inf)
        previous, top = top, torch.maximum(top, scores.amax(-1, keepdim=True))
        shrink, weights = previous.sub_(top), scores.sub_(top)
        if not early:
            shrink, weights = shrink.mul_(LOG2_E), weights.mul_(LOG2_E)
        shrink, weights = shrink.exp2_(), weights.exp2_()
        total.mul_(shrink).add_(weights.sum(-1, keepdim=True))
        out.mul_(shrink).addmm_(weights, v[start:stop])
    return out.div_(total.masked_fill_(total == 0, 1.0))


def _later(n: int, start: int, stop: int, last_key: int, device: torch.device) -> Tensor:
    """True where a key from `start` to `stop` comes after the last key that a query may see."""
    last = torch.arange(last_key, last_key + n, device=device)
    return torch.arange(start, stop, device=device) > last[:, None]


BACKEND = Backend(name="tiled", capability=CAPABILITY, run=run)
