"""Every backend that runs here, against the definition in float64."""

import itertools
import threading
from dataclasses import dataclass
from functools import lru_cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limelight.attention import AttentionSpec, attend, backends, get
from limelight.attention.backends import onednn_operator, tiled
from limelight.attention.backends.sdpa_kernels import aligned_bias

HERE = [b.name for b in backends if not b.missing() and {"cpu", "any"} & set(b.capability.devices)]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# heads, key heads, queries, keys, head_dim: levels of SD1, SD2 and SDXL, shrunk in heads and queries only
SHAPES = {
    "sd1 self 40": (2, 2, 256, 256, 40),
    "sd1 cross 40": (2, 2, 256, 77, 40),
    "sd1 cross 80": (2, 2, 64, 77, 80),
    "sd1 self 160": (2, 2, 64, 64, 160),
    "sd2, sdxl self 64": (3, 3, 144, 144, 64),
    "sdxl cross 64, two chunks": (3, 3, 144, 154, 64),
    "odd": (1, 1, 117, 33, 40),
    "one query": (2, 2, 1, 77, 64),
    "grouped": (6, 2, 50, 77, 64),
    "multi-query": (4, 1, 50, 50, 64),
}
MASKS = ["none", "bool", "bool per row", "additive", "causal", "causal and bool"]


def oracle(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """The definition, written independently of the package."""
    q, k, v = q.double(), k.double(), v.double()
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = torch.einsum("bhnd,bhmd->bhnm", q, k) * scale
    n, m = scores.shape[-2:]
    if causal:
        later = torch.arange(m)[None, :] > torch.arange(n)[:, None] + m - n
        scores = scores.masked_fill(later, -torch.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    return torch.einsum("bhnm,bhmd->bhnd", scores.softmax(-1).nan_to_num(0.0), v)


def plain(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    """A plain run in the tensors' own dtype: the rounding error alone."""
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = (q @ k.mT) * scale
    n, m = scores.shape[-2:]
    if causal:
        scores = scores.masked_fill(torch.ones(n, m, dtype=torch.bool).triu(m - n + 1), -torch.inf)
    if mask is not None:
        scores = (
            scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask.to(q.dtype)
        )
    return scores.softmax(-1).nan_to_num(0.0) @ v


def make_mask(kind: str, b: int, h: int, n: int, m: int) -> tuple[Tensor | None, bool]:
    if kind == "none":
        return None, False
    if kind == "causal":
        return None, True
    if kind == "additive":
        return torch.randn(b, h, n, m), False
    rows = torch.rand(b, 1, 1, m) > 0.3
    rows[..., 0] = True
    if kind == "bool per row":
        mask = torch.rand(b, 1, n, m) > 0.3
        mask[:, :, n // 2] = False  # a query that may see no key
        return mask, False
    return rows, kind.startswith("causal")


@dataclass(frozen=True)
class Case:
    """A call, its result in float64, and the error of a plain run."""

    kind: str
    inputs: tuple[Tensor, Tensor, Tensor]
    mask: Tensor | None
    causal: bool
    exact: Tensor
    error_of_plain: Tensor


@lru_cache(maxsize=len(DTYPES))  # all backends of a shape follow each other
def cases(shape: str, dtype: torch.dtype) -> tuple[Case, ...]:
    """A call for each kind of mask."""
    b, (h, hk, n, m, d) = 8, SHAPES[shape]
    torch.manual_seed(0)
    found = []
    for kind in MASKS:
        q, k, v = (torch.randn(b, heads, length, d).to(dtype) for heads, length in ((h, n), (hk, m), (hk, m)))
        mask, causal = make_mask(kind, b, h, n, m)
        if dtype == torch.float64 and mask is not None and mask.dtype != torch.bool:
            mask = mask.double()
        exact = oracle(q, k, v, mask, causal, 0.2)
        error_of_plain = plain(q, k, v, mask, causal, 0.2).double() - exact
        found.append(Case(kind, (q, k, v), mask, causal, exact, error_of_plain))
    return tuple(found)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("shape", SHAPES)
def test_error_is_at_most_twice_that_of_a_plain_run(name: str, shape: str, dtype: torch.dtype) -> None:
    worst, worst_plain = [], []  # of all kinds together: one draw's largest error varies twofold by itself
    for case in cases(shape, dtype):
        q, k, v = case.inputs
        if get(name).refusals(AttentionSpec.of(q, k, v, mask=case.mask, causal=case.causal)):
            continue
        out = attend(q, k, v, mask=case.mask, causal=case.causal, scale=0.2, backend=name)
        assert out.dtype == dtype
        if dtype == torch.float64:  # the oracle's own: only the order of sums differs
            torch.testing.assert_close(out, case.exact, atol=1e-13, rtol=0)
            continue
        error = out.double() - case.exact
        floor = (
            torch.finfo(dtype).eps / 12**0.5 * case.exact.square().mean().sqrt()
        )  # of rounding the result alone
        allowed = max(2 * case.error_of_plain.square().mean().sqrt(), floor)
        assert error.square().mean().sqrt() <= allowed, case.kind
        worst.append(error.abs().max())
        worst_plain.append(case.error_of_plain.abs().max())
    assert not worst or max(worst) <= 2 * max(worst_plain)


@pytest.mark.parametrize("name", HERE)
def test_inputs_need_not_be_contiguous(name: str) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, length, 3, 40).transpose(1, 2) for length in (50, 77, 77))
    expected = attend(q.contiguous(), k.contiguous(), v.contiguous(), backend=name)
    torch.testing.assert_close(attend(q, k, v, backend=name), expected)


@pytest.mark.parametrize("name", HERE)
@settings(max_examples=25, deadline=None)
@given(
    b=st.integers(1, 2),
    groups=st.integers(1, 3),
    hk=st.integers(1, 2),
    n=st.integers(1, 20),
    m=st.integers(1, 20),
    d=st.integers(1, 9),
    kind=st.sampled_from(MASKS),
    seed=st.integers(0, 99),
)
def test_small_shapes(
    name: str, b: int, groups: int, hk: int, n: int, m: int, d: int, kind: str, seed: int
) -> None:
    torch.manual_seed(seed)
    h = groups * hk
    q, k, v = torch.randn(b, h, n, d), torch.randn(b, hk, m, d), torch.randn(b, hk, m, d)
    mask, causal = make_mask(kind, b, h, n, m)
    if get(name).refusals(AttentionSpec.of(q, k, v, mask=mask, causal=causal)):
        mask, causal = None, False
    out = attend(q, k, v, mask=mask, causal=causal, backend=name)
    torch.testing.assert_close(out.double(), oracle(q, k, v, mask, causal, d**-0.5), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("name", [name for name in HERE if name not in ("tiled", "onednn")])
def test_gradients_flow(name: str) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 12, 8, requires_grad=True) for _ in range(3))
    got = torch.autograd.grad(attend(q, k, v, backend=name).square().sum(), (q, k, v))
    expected = torch.autograd.grad(plain(q, k, v, None, False, 8**-0.5).square().sum(), (q, k, v))
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("max_scores", [1, 7 * 90, 2**20])
def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch, max_scores: int) -> None:
    monkeypatch.setattr(onednn_operator, "MAX_SCORES", max_scores)
    torch.manual_seed(0)
    q, k, v = (
        torch.randn(2, length, heads, 16).transpose(1, 2) for length, heads in ((70, 4), (90, 2), (90, 2))
    )
    out = attend(q, k, v, scale=0.3, backend="onednn")
    assert out.stride() == q.stride()
    torch.testing.assert_close(out.double(), oracle(q, k, v, None, False, 0.3), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("tile", [(1, 1), (7, 7 * 11), (16, 16 * 70), (90, 90 * 13), (512, 2**18)])
@pytest.mark.parametrize("kind", [*MASKS, "lowest"])
def test_tiles_of_any_shape_give_the_same(
    monkeypatch: pytest.MonkeyPatch, tile: tuple[int, int], kind: str
) -> None:
    monkeypatch.setattr(tiled, "TILE", {"cpu": tile})
    torch.manual_seed(0)
    for n, m in ((70, 90), (90, 70)):
        q, k, v = (torch.randn(1, 2, length, 16) for length in (n, m, m))
        mask, causal = make_mask("none" if kind == "lowest" else kind, 1, 2, n, m)
        if kind == "lowest":  # what others write for -inf: a query that may see no key then sees all alike
            mask = torch.zeros(n, m).masked_fill(torch.rand(n, m) < 0.5, torch.finfo(torch.float32).min)
            mask[3] = torch.finfo(torch.float32).min
        out = attend(q, k, v, mask=mask, causal=causal, backend="tiled")
        expected = attend(q, k, v, mask=mask, causal=causal, backend="math")
        torch.testing.assert_close(out, expected, atol=2e-6, rtol=1e-5)


def test_tiled_outlives_scores_that_rise_and_fall_by_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "TILE", {"cpu": (8, 64)})
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 1, 64, 16, dtype=torch.float64) for _ in range(3))
    k *= torch.linspace(-3000, 3000, 64, dtype=torch.float64)[:, None]
    out = attend(q, k, v, backend="tiled")
    torch.testing.assert_close(out, oracle(q, k, v, None, False, 0.25), atol=1e-10, rtol=1e-10)


def test_an_order_for_a_kernel_does_not_reach_other_threads() -> None:
    q = k = v = torch.randn(1, 1, 64, 8)
    spec = AttentionSpec.of(q, k, v)
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(get("sdpa").kernel(spec))

    thread = threading.Thread(target=watch)
    thread.start()
    for name in itertools.islice(itertools.cycle(["sdpa-math", "sdpa-flash"]), 400):
        attend(q, k, v, backend=name)
    stop.set()
    thread.join()
    assert seen == {"flash"}


@pytest.mark.parametrize("m", [1, 8, 77, 80])
@pytest.mark.parametrize("shape", ["full", "row", "query"])
def test_a_bias_is_aligned_without_changing_its_numbers(m: int, shape: str) -> None:
    mask = torch.randn({"full": (2, 3, 5, m), "row": (1, 1, 1, m), "query": (2, 1, 5, 1)}[shape])
    bias = aligned_bias(mask, torch.empty(2, 3, 5, 4), torch.empty(2, 3, m, 4))
    assert torch.equal(bias, mask.expand(2, 3, 5, m))
    assert bias.stride(-1) == 1
    assert all(stride % 16 == 0 for stride in bias.stride()[:-1])
