"""Attention on a CPU with oneDNN's matrix products: a block of queries of one head against all of its keys.

torch's own CPU kernel multiplies with MKL, in tiles of at most 512 keys. On CPUs where oneDNN multiplies
faster than MKL (AVX-512, not made by Intel), this backend takes 0.6 of the kernel's time.
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
MIN_QUERIES = 512  # with fewer, the overhead of the calls outweighs the faster products
MOST_MEASURED = 1024  # queries
_MISSING = None if torch.backends.mkldnn.is_available() else "torch was built without oneDNN"


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    from limelight.attention.backends.onednn_operator import attend_by_onednn

    assert mask is None and not causal  # the capability excludes both
    return attend_by_onednn(q, k, v, scale)


def _drawback(spec: AttentionSpec) -> str | None:
    if spec.num_queries < MIN_QUERIES:
        return f"{spec.num_queries} queries are too few; sdpa is faster"
    if torch.compiler.is_compiling():
        return "nothing can be measured while torch compiles"
    n, m, d = min(spec.num_queries, MOST_MEASURED), spec.num_keys, spec.head_dim
    fastest = _timings().fastest(f"attention {n} {m} {d}", partial(_candidates, n, m, d))
    return None if fastest == "onednn" else "sdpa was measured to be faster here"


@cache
def _timings() -> Timings:
    return Timings(cache_file())


def _candidates(n: int, m: int, d: int) -> dict[str, partial[Tensor]]:
    q, k = torch.ones(1, 1, n, d), torch.ones(1, 1, m, d)
    given = {"mask": None, "causal": False, "scale": d**-0.5}
    return {"sdpa": partial(sdpa.run, q, k, k, **given), "onednn": partial(run, q, k, k, **given)}


BACKEND = Backend(name="onednn", capability=CAPABILITY, run=run, missing=lambda: _MISSING, drawback=_drawback)
