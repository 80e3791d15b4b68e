"""Attention on a CPU by oneDNN's products: a block of queries of one head against all of its keys.

torch's own kernel for CPUs multiplies by MKL, in tiles of at most 512 keys. Where oneDNN multiplies faster
than MKL does, as on other makers' CPUs with AVX512, this takes 0.6 of its time.
"""

from functools import cache, partial

import torch
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.backends import sdpa
from limelight.attention.capability import Capability, Limits
from limelight.attention.spec import AttentionSpec
from limelight.attention.timings import Timings, cache_file

CAPABILITY = Capability(
    {"cpu": Limits(dtypes=frozenset({torch.float32}), masks=frozenset(), causal="no", grad=False)}
)
MAX_SCORES = 2**20  # of a block: 4 MiB
MIN_QUERIES = 512  # of fewer, calls take longer than the products
MOST_MEASURED = 1024  # queries
_MISSING = None if torch.backends.mkldnn.is_available() else "torch was built without oneDNN"


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    assert mask is None and not causal  # the capability says so
    return _attend(q, k, v, scale)


# As one operation, torch.compile need not look into it: of a large picture it is thousands.
@torch.library.custom_op("limelight::attend_by_onednn", mutates_args=())
def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    b, h = q.shape[:2]
    m, groups = k.shape[2], h // k.shape[1]
    out = torch.empty_like(q)
    for i in range(b):
        for j in range(h):
            queries, keys, values = q[i, j] * scale, k[i, j // groups], v[i, j // groups]
            keys, values = keys.contiguous(), values.mT.contiguous()  # a row of products' weights each
            for part, into in zip(
                *(x.split(max(1, MAX_SCORES // m)) for x in (queries, out[i, j])), strict=True
            ):
                into.copy_(_product(torch.softmax(_product(part, keys), -1), values))
    return out


@_attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return torch.empty_like(q)


def _product(x: Tensor, weight: Tensor) -> Tensor:
    """x weightT."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "none")


def _drawback(spec: AttentionSpec) -> str | None:
    if spec.num_queries < MIN_QUERIES:
        return f"{spec.num_queries} queries are few; sdpa is faster"
    if torch.compiler.is_compiling():
        return "nothing can be measured while torch compiles"
    n, m, d = min(spec.num_queries, MOST_MEASURED), spec.num_keys, spec.head_dim
    fastest = _timings().fastest(f"attention {n} {m} {d}", partial(_ways, n, m, d))
    return None if fastest == "onednn" else "sdpa was measured to be faster here"


@cache
def _timings() -> Timings:
    return Timings(cache_file())


def _ways(n: int, m: int, d: int) -> dict[str, partial[Tensor]]:
    q, k = torch.ones(1, 1, n, d), torch.ones(1, 1, m, d)
    given = {"mask": None, "causal": False, "scale": d**-0.5}
    return {"sdpa": partial(sdpa.run, q, k, k, **given), "onednn": partial(run, q, k, k, **given)}


BACKEND = Backend(name="onednn", capability=CAPABILITY, run=run, missing=lambda: _MISSING, drawback=_drawback)
