"""Checks every backend, dtype and shape against the definition of attention in float64: each is right and
timed, or refused with a message.

The error of a backend may be twice that of the definition computed in the same dtype, as in the tests, and at
most `MOST` of it in all.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from limelight.attention import AttentionSpec, attend, backends
from scripts.gpu.tools.card import Card, error, name_of, take_turns
from scripts.gpu.tools.findings import Finding

MOST = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 1e-3}
DTYPES = tuple(MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One attention call; the heads of q lie side by side, as a U-Net's projections leave them."""

    heads: int
    queries: int
    keys: int
    dim: int
    batch: int = 2
    kv_heads: int = 0
    mask: str = ""  # "bool", "additive", or none
    causal: bool = False
    strides: str = "heads side by side"
    is_timed: bool = False


MODELS = {
    "SD1.5 512, self, 64 x 64": Case(heads=8, queries=4096, keys=4096, dim=40, is_timed=True),
    "SD1.5 512, self, 32 x 32": Case(heads=8, queries=1024, keys=1024, dim=80, is_timed=True),
    "SD1.5 512, self, 16 x 16": Case(heads=8, queries=256, keys=256, dim=160, is_timed=True),
    "SD1.5 512, self, 8 x 8": Case(heads=8, queries=64, keys=64, dim=160),
    "SD1.5 512, cross, 64 x 64": Case(heads=8, queries=4096, keys=77, dim=40, is_timed=True),
    "SD1.5 512, cross, 8 x 8": Case(heads=8, queries=64, keys=77, dim=160),
    "SDXL 1024, self, 64 x 64": Case(heads=10, queries=4096, keys=4096, dim=64, is_timed=True),
    "SDXL 1024, self, 32 x 32": Case(heads=20, queries=1024, keys=1024, dim=64, is_timed=True),
    "SDXL 1024, cross, 64 x 64": Case(heads=10, queries=4096, keys=77, dim=64, is_timed=True),
}
KINDS = {
    "odd lengths": Case(heads=2, queries=117, keys=33, dim=40),
    "one query": Case(heads=2, queries=1, keys=77, dim=64),
    "four chunks of a prompt": Case(heads=4, queries=256, keys=308, dim=160),
    "bool mask": Case(heads=4, queries=130, keys=77, dim=64, mask="bool"),
    "additive mask": Case(heads=4, queries=130, keys=77, dim=80, mask="additive"),
    "causal, square": Case(heads=4, queries=96, keys=96, dim=64, causal=True),
    "causal, more keys": Case(heads=4, queries=40, keys=96, dim=64, causal=True),
    "causal and a bool mask": Case(heads=4, queries=96, keys=96, dim=64, causal=True, mask="bool"),
    "grouped heads": Case(heads=8, kv_heads=2, queries=100, keys=77, dim=64),
    "multi-query, causal": Case(heads=8, kv_heads=1, queries=64, keys=64, dim=64, causal=True),
    "grouped heads, additive mask": Case(heads=8, kv_heads=2, queries=50, keys=77, dim=40, mask="additive"),
    "numbers of a head apart": Case(heads=4, queries=96, keys=77, dim=64, strides="apart"),
    "head dim 20": Case(heads=4, queries=96, keys=77, dim=20),
    "head dim 256": Case(heads=2, queries=96, keys=77, dim=256),
}
TINY = {
    "tiny": Case(heads=2, queries=24, keys=24, dim=8, is_timed=True),
    "tiny, grouped, bool mask": Case(heads=2, kv_heads=1, queries=6, keys=5, dim=8, mask="bool"),
    "tiny, additive mask, causal": Case(heads=1, queries=5, keys=6, dim=8, mask="additive", causal=True),
    "tiny, apart": Case(heads=2, queries=5, keys=6, dim=8, strides="apart"),
}


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    for backend in backends:
        if reason := backend.missing():
            yield Finding(backend.name, "refused", {}, reason)
    for name, case in TINY.items() if tiny else (KINDS | MODELS).items():
        for dtype in DTYPES:
            yield from of_case(card, name, case, dtype)
        card.forget()


def of_case(card: Card, name: str, case: Case, dtype: torch.dtype) -> Iterator[Finding]:
    """The finding of each backend; backends that refuse for one reason share a line."""
    q, k, v, mask = draw(card.device, case, dtype)
    masks = {"mask": mask, "causal": case.causal}
    exact = attend(*(x.double() for x in (q, k, v)), backend="math", **masks)
    plain = error(attend(q, k, v, backend="math", **masks), exact)
    spec = AttentionSpec.of(q, k, v, mask=mask, causal=case.causal)
    refused: dict[str, list[str]] = {}
    ways = {}
    for backend in (each for each in backends if not each.missing()):
        label = f"{name}, {backend.name}, {name_of(dtype)}"
        if reasons := backend.refusals(spec):
            refused.setdefault("; ".join(reasons), []).append(backend.name)
            continue
        try:
            way = partial(attend, q, k, v, backend=backend.name, **masks)
            off = error(way(), exact)
            ways[backend.name] = way
        except (RuntimeError, ValueError, NotImplementedError) as failure:
            yield Finding(label, "wrong", {}, f"accepted and then: {first_line(failure)}")
            continue
        limit = min(MOST[dtype], max(2 * plain, 1e-6))
        numbers = {"error": off, "of math": plain, "kernel": backend.kernel(spec)}
        if case.is_timed:
            numbers |= speed(card, case, ways[backend.name])
        yield Finding(label, "right" if off <= limit else "wrong", numbers)
    for reason, names in refused.items():
        yield Finding(f"{name}, {', '.join(names)}, {name_of(dtype)}", "refused", {}, reason)


def draw(
    device: torch.device, case: Case, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Random q, k, v, and a mask in which some query may see no key."""
    torch.manual_seed(0)
    lengths = ((case.heads, case.queries), *[(case.kv_heads or case.heads, case.keys)] * 2)
    found = []
    for heads, length in lengths:
        if case.strides == "apart":
            x = torch.randn(case.batch, heads, case.dim, length, device=device, dtype=dtype).mT
        else:
            x = torch.randn(case.batch, length, heads, case.dim, device=device, dtype=dtype).transpose(1, 2)
        found.append(x)
    q, k, v = found
    if not case.mask:
        return q, k, v, None
    mask = torch.rand(case.batch, 1, case.queries, case.keys, device=device) > 0.3
    mask[:, :, min(3, case.queries - 1)] = False
    if case.mask == "additive":
        mask = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, -torch.inf)
    return q, k, v, mask


def speed(card: Card, case: Case, way: partial[Tensor]) -> dict[str, float]:
    """Milliseconds of one call, and the floating-point operations that it does a second."""
    taken = take_turns(card, {"": way}, rounds=5, calls=2)[""]
    operations = 4 * case.batch * case.heads * case.queries * case.keys * case.dim
    return {"ms": 1000 * taken.median, "TFLOP/s": operations / taken.median / 1e12}


def first_line(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {str(failure).strip().partition(chr(10))[0][:300]}"
