"""Attention a few queries at a time, in plain torch: runs everywhere, in memory that grows with n + m.

Whole rows of scores are made for a block of queries, in one buffer that every block uses again, so softmax
stays one pass and nothing is rescaled. On a CPU, while the buffer stays in the cache, that is faster than the
online softmax of Rabe & Staats (arXiv:2112.05682), whose separate passes read every score twice more.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from attention.backend import Backend
from attention.capability import ANY_DEVICE, FLOATS, Capability, Limits
from attention.masks import additive

CAPABILITY = Capability(
    {
        ANY_DEVICE: Limits(dtypes=FLOATS, grad=False),
        "mps": Limits(dtypes=FLOATS - {torch.float64}, grad=False),
    }
)
# Of the buffer; on a CPU about a core's cache.
SCRATCH_BYTES = {"cpu": 2 * 2**20}
SCRATCH_BYTES_ELSEWHERE = 64 * 2**20


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    wide = torch.promote_types(q.dtype, torch.float32)
    (b, h, n, d), (hk, m) = q.shape, k.shape[1:3]
    num_rows = max(1, SCRATCH_BYTES.get(q.device.type, SCRATCH_BYTES_ELSEWHERE) // (m * wide.itemsize))
    scratch = torch.empty(min(n, num_rows) * m, dtype=wide, device=q.device)
    out = torch.empty(b, h, n, d, dtype=wide, device=q.device)
    for i in range(b):
        for j in range(h):
            queries, group = q[i, j].to(wide), j // (h // hk)
            keys, values = k[i, group].to(wide).mT, v[i, group].to(wide)
            for start, stop, seen in _blocks(n, m, num_rows, causal):
                scores = scratch[: (stop - start) * seen].view(stop - start, seen)
                scores.addmm_(queries[start:stop], keys[:, :seen], beta=0, alpha=scale)
                if mask is not None:
                    scores += _part(mask, i, j, start, stop).expand(-1, m)[:, :seen]
                if causal:
                    _hide_later_keys(scores, first=start + m - n)
                _softmax_(scores, may_be_hidden=mask is not None or (causal and start + m - n < 0))
                torch.mm(scores, values[:seen], out=out[i, j, start:stop])
    return out.to(q.dtype)


def _blocks(n: int, m: int, num_rows: int, causal: bool) -> Iterator[tuple[int, int, int]]:
    """Queries [start, stop), and how many keys, from the first, any of them may see: at least one."""
    for start in range(0, n, num_rows):
        stop = min(start + num_rows, n)
        yield start, stop, max(1, stop + m - n) if causal else m


def _part(mask: Tensor, i: int, j: int, start: int, stop: int) -> Tensor:
    """The numbers to add to the scores of these queries of one head, broadcastable to them."""
    rows = mask[i if mask.shape[0] > 1 else 0, j if mask.shape[1] > 1 else 0]  # n or 1, m or 1
    rows = rows[start:stop] if len(rows) > 1 else rows
    return additive(rows, torch.float32 if mask.dtype == torch.bool else mask.dtype)


def _hide_later_keys(scores: Tensor, *, first: int) -> None:
    """Row r sees the keys up to `first` + r."""
    seen = scores.shape[1]
    late = torch.arange(seen, device=scores.device) > torch.arange(
        first, first + len(scores), device=scores.device
    ).unsqueeze(1)
    scores.masked_fill_(late, -torch.inf)


def _softmax_(scores: Tensor, *, may_be_hidden: bool) -> None:
    """In place; a query that may see no key gets zeros."""
    hidden = scores.amax(-1, keepdim=True) == -torch.inf if may_be_hidden else None
    torch.softmax(scores, -1, out=scores)
    if hidden is not None:
        scores.masked_fill_(hidden, 0.0)


BACKEND = Backend(name="tiled", capability=CAPABILITY, run=run)
