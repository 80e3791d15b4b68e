"""Edits of attention as ordinary attention, against their explicit formulas; unsteered rows stay as they
are."""

from collections.abc import Callable
from dataclasses import replace
from math import log
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from limelight.attention import AttentionRuntime, AttentionSpec, Backend, BackendRefused, RowGroup, get
from limelight.attention.capability import ANY_DEVICE, FLOATS, Capability, Limits
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.attention.steering import Bias, KeyGroup, Steering, check_bias

GRID, WEIGHT = (6, 4), torch.zeros(1, 32)
H, N, M, D, SCALE = 2, 24, 11, 16, 0.25
BACKENDS = ["math", "sdpa", "onednn", "tiled"]
# Of outputs of about 1: in half precision the rounding of q, k and v.
TOLERANCE = {torch.float32: 5e-6, torch.bfloat16: 4e-2, torch.float16: 5e-3}


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture(params=list(TOLERANCE), ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


def kept_by(*tensors: Tensor) -> RowGroup:
    return RowGroup(lambda site: (tensors[0], tensors[1]))


def cross(attention: AttentionRuntime, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attention.attend_cross("site", q, (kept_by(k, v),), scale=SCALE, grid=GRID, out_weight=WEIGHT)


def explicit(q: Tensor, k: Tensor, bias: Tensor | None = None) -> Tensor:
    scores = q.double() @ k.double().mT * SCALE
    return (scores if bias is None else scores + bias.double()).softmax(-1)


def region(grid: tuple[int, int]) -> Tensor:
    """Two regions: the left half, and a slope from top to bottom."""
    height, width = grid
    left = (torch.arange(width) < width // 2).float().expand(height, width)
    down = torch.linspace(0, 1, height)[:, None].expand(height, width)
    return torch.stack((left.flatten(), down.flatten()), -1)


def weight(grid: tuple[int, int]) -> Tensor:
    return region(grid)[:, 1]


def rest(grid: tuple[int, int]) -> Tensor:
    return 1 - weight(grid)


STRENGTH = torch.zeros(M, 2)
STRENGTH[3:5, 0], STRENGTH[7, 1] = log(20), -3.0
PAINT = Steering(bias=Bias(region, STRENGTH))
TOKENS = torch.linspace(0, 2, M)
OTHER_K, OTHER_V = numbers(1, H, 7, D, seed=8), numbers(1, H, 7, D, seed=9)


def others(dtype: torch.dtype) -> KeyGroup:
    return KeyGroup(lambda site: (OTHER_K.to(dtype), OTHER_V.to(dtype)), weight)


def painted(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return explicit(q, k, region(GRID) @ STRENGTH.mT) @ v.double()


def reweighted(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return explicit(q, k) * TOKENS @ v.double()


def reweighted_and_normalised(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p = explicit(q, k) * (1 + TOKENS)
    return p / p.sum(-1, keepdim=True) @ v.double()


def with_regions(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    their = explicit(q, OTHER_K.to(q.dtype)) @ OTHER_V.to(q.dtype).double()
    return rest(GRID)[:, None] * (explicit(q, k) @ v.double()) + weight(GRID)[:, None] * their


def with_a_head_off(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    p = explicit(q, k)
    p[:, 1] = 0
    return p @ v.double()


Formula = Callable[[Tensor, Tensor, Tensor], Tensor]
IDENTITIES: dict[str, tuple[Callable[[torch.dtype], Steering], Formula]] = {
    "painted": (lambda dtype: PAINT, painted),
    "reweighted": (lambda dtype: Steering(tokens=TOKENS), reweighted),
    "reweighted and normalised": (
        lambda dtype: Steering(bias=Bias(lambda grid: torch.ones(N, 1), (1 + TOKENS).log()[:, None])),
        reweighted_and_normalised,
    ),
    "regions": (lambda dtype: Steering(weight=rest, groups=(others(dtype),)), with_regions),
    "a head off": (lambda dtype: Steering(heads={"site": torch.tensor([1.0, 0.0])}), with_a_head_off),
}


@pytest.mark.parametrize("name", IDENTITIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_edit_equals_its_explicit_formula(name: str, backend: str, dtype: torch.dtype) -> None:
    if get(backend).capability.devices.get("cpu", Limits(dtypes=FLOATS)).dtypes.isdisjoint({dtype}):
        pytest.skip(f"{backend} does not take {dtype}")
    steering, formula = IDENTITIES[name]
    q = numbers(1, H, N, D, seed=1, dtype=dtype)
    k, v = (numbers(1, H, M, D, seed=seed, dtype=dtype) for seed in (2, 3))
    out = cross(AttentionRuntime({"site": get(backend)}, steering=[steering(dtype)]), q, k, v)
    assert out.dtype == dtype
    assert (out.double() - formula(q, k, v)).abs().max() <= TOLERANCE[dtype]
    assert (out.double() - explicit(q, k) @ v.double()).abs().max() > 0.1  # it changes something


@pytest.mark.parametrize("backend", BACKENDS)
def test_identity_steering_is_bit_equal_to_none(backend: str) -> None:
    q, k, v = (numbers(2, H, length, D, seed=length) for length in (N, M, M))
    plan = {"site": get(backend)}
    plain = cross(AttentionRuntime(plan), q, k, v)
    nothing = Steering(tokens=torch.ones(M), weight=lambda grid: torch.ones(N), heads={"site": torch.ones(H)})
    for steering in (Steering(), nothing):
        steered = cross(AttentionRuntime(plan, steering=[None, steering]), q, k, v)
        alone = cross(AttentionRuntime(plan), q[1:], k[1:], v[1:])
        assert torch.equal(steered[0], plain[0])
        assert torch.equal(steered[1:], alone)


@pytest.mark.parametrize("backend", BACKENDS)
def test_unsteered_neighbours_equal_themselves_alone(backend: str) -> None:
    """Rows of two lengths of context, in two groups; the steered ones are second and last."""
    q = numbers(4, H, N, D, seed=1)
    lengths = [M, M, 5, M]
    contexts = [[numbers(1, H, m, D, seed=s + row) for s in (10, 20)] for row, m in enumerate(lengths)]

    def group(*rows: int) -> RowGroup:
        k, v = (torch.cat([contexts[row][i] for row in rows]) for i in (0, 1))
        return RowGroup(lambda site: (k, v), torch.tensor(rows))

    plan = {"site": get(backend)}
    attention = AttentionRuntime(plan, steering=[None, PAINT, None, PAINT])
    out = attention.attend_cross(
        "site", q, (group(3, 0, 1), group(2)), scale=SCALE, grid=GRID, out_weight=WEIGHT
    )
    for row, steering in enumerate(attention.steering):
        alone = AttentionRuntime(plan, steering=[steering])
        expected = cross(alone, q[row : row + 1], *contexts[row])
        assert (out[row] - expected[0]).abs().max() <= 1e-6


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that an operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        made = [x for x in (out if isinstance(out, tuple) else (out,)) if isinstance(x, Tensor)]
        self.numel = max([self.numel, *(x.untyped_storage().nbytes() // x.itemsize for x in made)])
        return out


def test_no_probabilities_are_written_out() -> None:
    """On a grid of 64x64 with 300 tokens they would be 1.2 million numbers a head."""
    n, m, grid = 4096, 300, (64, 64)
    q, k, v = (numbers(1, 1, length, D, seed=length) for length in (n, m, m))
    bias = Bias(lambda grid: torch.rand(n, 2), torch.rand(m, 2))
    group = KeyGroup(lambda site: (k, v), lambda grid: torch.rand(n))
    everything = Steering(bias=bias, weight=group.weight, groups=(group,), tokens=torch.rand(m))
    attention = AttentionRuntime({"site": get("sdpa")}, steering=[everything])
    with torch.inference_mode(), Largest() as largest:
        attention.attend_cross("site", q, (kept_by(k, v),), scale=SCALE, grid=grid, out_weight=WEIGHT)
    assert n * D <= largest.numel <= n * (D + 8) < n * m


def narrow(name: str, **limits: object) -> Backend:
    """A backend that takes no more head dims than the site has."""
    capability = Capability({ANY_DEVICE: Limits(dtypes=FLOATS, max_head_dim=D, **limits)})  # type: ignore[arg-type]
    return replace(get("math"), name=name, capability=capability)


def test_a_bias_becomes_a_mask_if_the_head_dims_do_not_suffice() -> None:
    q, k, v = (numbers(1, H, length, D, seed=length) for length in (N, M, M))
    out = cross(AttentionRuntime({"site": narrow("narrow")}, steering=[PAINT]), q, k, v)
    assert (out - painted(q, k, v)).abs().max() <= 5e-6


def test_a_backend_that_takes_neither_refuses_with_a_message() -> None:
    q, k, v = (numbers(1, H, length, D, seed=length) for length in (N, M, M))
    backend = narrow("blind", masks=frozenset())
    with pytest.raises(
        BackendRefused,
        match=r"^blind cannot run this attention: a bias takes 24 head dims: head_dim is 24; at most 16; "
        r"or a mask: mask is additive; takes no mask",
    ):
        cross(AttentionRuntime({"site": backend}, steering=[PAINT]), q, k, v)
    with pytest.raises(BackendRefused, match=r"a bias takes 24 head dims"):
        check_bias(backend, AttentionSpec.of(q, k, v), 2)
    check_bias(narrow("narrow"), AttentionSpec.of(q, k, v), 2)


def test_the_recorder_keeps_effective_probabilities() -> None:
    q, k, v = (numbers(3, H, length, D, seed=length) for length in (N, M, M))
    heads = Steering(heads={"site": torch.tensor([1.0, 0.0])})
    both = Steering(bias=PAINT.bias, weight=rest, groups=(others(torch.float32),), tokens=TOKENS)
    steering = [None, heads, both]
    recordings = [Recording("head", M) for _ in steering]
    recorder = RowRecorder(recordings, steering)
    cross(AttentionRuntime({"site": get("math")}, recorder, steering=steering), q, k, v)
    recorder.commit()
    biased = explicit(q[2], k[2], region(GRID) @ STRENGTH.mT) * TOKENS * rest(GRID)[:, None]
    plain = explicit(q[1], k[1])
    for recording, expected in zip(
        recordings, (explicit(q[0], k[0]), torch.stack((plain[0], 0 * plain[1])), biased), strict=True
    ):
        kept = recording.site("site").flatten(-2).mT  # heads m h w -> heads n m
        assert (kept - expected).abs().max() <= 1e-6


def test_heads_of_self_attention_are_scaled_row_by_row() -> None:
    q, k, v = (numbers(2, H, N, D, seed=seed) for seed in (1, 2, 3))
    off = Steering(heads={"site": torch.tensor([0.0, 2.0])})
    attention = AttentionRuntime({"site": get("math")}, steering=[None, None, off])
    plain = AttentionRuntime({"site": get("math")}).attend_self("site", q, k, v, scale=SCALE, grid=GRID)
    out = attention.attend_self(
        "site", q, k, v, torch.tensor([0, 0, 1]), scale=SCALE, grid=GRID
    )  # rows 0 and 1 are alike
    assert torch.equal(out[0], plain[0])
    assert torch.equal(out[1], torch.stack((0 * plain[1, 0], 2 * plain[1, 1])))
    assert attention.kinds("site") == [0, 0, 2]
    assert AttentionRuntime({}, steering=[None, PAINT]).kinds("site") == []
    assert attention.kinds("another site") == []
