"""Rows that borrow another row's attention, that skip self-attention, or attend to few tokens: against
explicit formulas, with the recorded maps."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, RowGroup, get
from limelight.attention.capability import FLOATS, Limits
from limelight.attention.entmax import QUERIES_AT_ONCE, attend_entmax, entmax
from limelight.attention.recording.effective import effective
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Recording
from limelight.attention.steering import Bias, Lend, Steering

GRID, WEIGHT = (6, 4), torch.zeros(1, 32)
H, N, M_BASE, M_EDIT, D, SCALE = 2, 24, 9, 11, 16, 0.25
BACKENDS = ["math", "sdpa", "onednn", "tiled"]
TOLERANCE = {torch.float32: 5e-6, torch.bfloat16: 4e-2, torch.float16: 5e-3}
MAP = torch.rand(M_BASE, M_EDIT, generator=torch.Generator().manual_seed(5))
MAP = MAP / MAP.sum(1, keepdim=True)
SHARE = torch.linspace(0, 1, M_EDIT)  # of each token, how much comes from the base
STRENGTH = torch.zeros(M_BASE, 1)
STRENGTH[3] = 2.0
BASE_PAINT = Steering(bias=Bias(lambda grid: torch.linspace(-1, 1, N)[:, None], STRENGTH))


def numbers(*shape: int, seed: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.fixture(params=list(TOLERANCE), ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, dtype: torch.dtype) -> str:
    if get(request.param).capability.devices.get("cpu", Limits(dtypes=FLOATS)).dtypes.isdisjoint({dtype}):
        pytest.skip(f"{request.param} does not take {dtype}")
    return request.param


def explicit(q: Tensor, k: Tensor, bias: Tensor | None = None) -> Tensor:
    scores = q.double() @ k.double().mT * SCALE
    return (scores if bias is None else scores + bias.double()).softmax(-1)


Formula = Callable[[Tensor, Tensor, Tensor], Tensor]  # of P_base, P_edit, V_edit
LENT: dict[str, tuple[Steering, Formula]] = {
    "replace": (Steering(lend=Lend(row=-1, values=MAP)), lambda base, edit, v: base @ MAP.double() @ v),
    "refine": (
        Steering(lend=Lend(row=-1, values=MAP * SHARE, keeps_own=True), tokens=1 - SHARE),
        lambda base, edit, v: (base @ MAP.double() * SHARE + edit * (1 - SHARE)) @ v,
    ),
    "replace and reweight": (
        Steering(lend=Lend(row=-1, values=MAP * (1 + 2 * SHARE))),
        lambda base, edit, v: base @ MAP.double() * (1 + 2 * SHARE) @ v,
    ),
    "reweight": (Steering(tokens=3 * SHARE), lambda base, edit, v: edit * 3 * SHARE @ v),
}


@pytest.mark.parametrize("painted", [False, True])
@pytest.mark.parametrize("name", LENT)
def test_an_edit_of_cross_attention_equals_its_formula(
    name: str, backend: str, dtype: torch.dtype, painted: bool
) -> None:
    """The contexts of base and edit have their own lengths; the row behind them is steered by nothing."""
    steering, formula = LENT[name]
    q = numbers(3, H, N, D, seed=1, dtype=dtype)
    (k_base, v_base), (k, v) = (
        [numbers(rows, H, m, D, seed=seed, dtype=dtype) for seed in seeds]
        for rows, m, seeds in ((2, M_BASE, (2, 3)), (1, M_EDIT, (4, 5)))
    )
    groups = (
        RowGroup(lambda site: (k, v), torch.tensor([1])),
        RowGroup(lambda site: (k_base, v_base), torch.tensor([0, 2])),
    )
    steerings = [BASE_PAINT if painted else None, steering, None]
    recordings = [Recording("head", m) for m in (M_BASE, M_EDIT, M_BASE)]
    recorder = RowRecorder(recordings, steerings)
    attention = AttentionRuntime({"site": get(backend)}, recorder, steering=steerings)
    out = attention.attend_cross("site", q, groups, scale=SCALE, grid=GRID, out_weight=WEIGHT)
    recorder.commit()
    bias = BASE_PAINT.bias.scores(GRID) if painted and BASE_PAINT.bias is not None else None
    base, edit = explicit(q[0], k_base[0], bias), explicit(q[1], k[0])
    assert (out[1].double() - formula(base, edit, v[0].double())).abs().max() <= 3 * TOLERANCE[dtype]
    assert (out[2].double() - explicit(q[2], k_base[1]) @ v_base[1].double()).abs().max() <= TOLERANCE[dtype]
    kept = recordings[1].site("site").flatten(-2).mT  # heads m h w -> heads n m
    effective = formula(base, edit, torch.eye(M_EDIT).double())
    assert (kept - effective).abs().max() <= (1e-5 if dtype == torch.float32 else 3e-2)


SELF: dict[str, tuple[Steering, Callable[[Tensor, Tensor], Tensor]]] = {
    # probabilities of the steered row from q and k of all rows
    "lent": (Steering(lend=Lend(row=-1, sites=frozenset({"site"}))), lambda q, k: explicit(q[0], k[0])),
    "values": (Steering(skip={"site": "values"}), lambda q, k: torch.eye(N).double().expand(H, -1, -1)),
    "blur": (
        Steering(skip={"site": "blur"}),
        lambda q, k: explicit(q[1].double().mean(1, keepdim=True), k[1]).expand(-1, N, -1),
    ),
    "values and a head off": (
        Steering(skip={"site": "values"}, heads={"site": torch.tensor([1.0, 0.0])}),
        lambda q, k: torch.eye(N).double() * torch.tensor([1.0, 0.0])[:, None, None],
    ),
}


@pytest.mark.parametrize("name", SELF)
def test_an_edit_of_self_attention_equals_its_formula(name: str, backend: str, dtype: torch.dtype) -> None:
    steering, formula = SELF[name]
    q, k, v = (numbers(3, H, N, D, seed=seed, dtype=dtype) for seed in (1, 2, 3))
    extras = Extras(points=((0.1, 0.1), (0.9, 0.4)), refined=True)
    recordings = [None, Recording("grid", M_BASE, extras), None]
    steerings = [None, steering, None]
    recorder = RowRecorder(recordings, steerings)
    attention = AttentionRuntime({"site": get(backend)}, recorder, steering=steerings)
    out = attention.attend_self("site", q, k, v, scale=SCALE, grid=GRID)
    expected = formula(q, k)
    assert (out[1].double() - expected @ v[1].double()).abs().max() <= TOLERANCE[dtype]
    for row in (0, 2):
        assert (out[row].double() - explicit(q[row], k[row]) @ v[row].double()).abs().max() <= TOLERANCE[
            dtype
        ]
    mixing = recorder.frames[1].mixing[GRID]  # type: ignore[union-attr]
    points = recorder.frames[1].views["points"].sites["site"].flatten(1)  # type: ignore[union-attr]
    loose = 1e-6 if dtype == torch.float32 else 1e-2
    assert (mixing - expected.mean(0)).abs().max() <= loose
    assert (points - expected.mean(0)[[0, 4 * 2 + 3]]).abs().max() <= loose  # positions (0, 0) and (2, 3)


def test_equal_rows_borrow_from_their_representative() -> None:
    """Rows 0 and 1 are one row of the call; row 2 looks as row 1 does."""
    q, k, v = (numbers(2, H, N, D, seed=seed, dtype=torch.float32) for seed in (1, 2, 3))
    lent = Steering(lend=Lend(row=-1, sites=frozenset({"site"})))
    attention = AttentionRuntime({"site": get("math")}, steering=[None, None, lent])
    out = attention.attend_self("site", q, k, v, torch.tensor([0, 0, 1]), scale=SCALE, grid=GRID)
    assert (out[1].double() - explicit(q[0], k[0]) @ v[1].double()).abs().max() <= 5e-6
    assert attention.kinds("site") == [0, 0, 2]


def test_rows_with_equal_edits_are_no_equal_rows() -> None:
    lent = Steering(lend=Lend(row=-1, sites=frozenset({"site"})))
    assert AttentionRuntime({}, steering=[None, lent, lent]).kinds("site") == [0, 1, 2]
    off = Steering(skip={"site": "values"})
    assert AttentionRuntime({}, steering=[None, off, off]).kinds("site") == [0, 1, 1]


@pytest.mark.parametrize("m", [1, 2, 77, 300])
def test_entmax_lies_on_the_simplex_where_its_threshold_says(m: int) -> None:
    """Against a search for the threshold by halving; ties and far keys among the scores."""
    scores = 3 * numbers(50, m, seed=m, dtype=torch.float64)
    scores[0] = 0
    scores[1, : m // 2] = scores[1].max()
    found = entmax(scores)
    low, high = scores.amax(-1, keepdim=True) / 2 - 1, scores.amax(-1, keepdim=True) / 2
    for _ in range(80):
        middle = (low + high) / 2
        is_much = (scores / 2 - middle).clamp(min=0).square().sum(-1, keepdim=True) > 1
        low, high = torch.where(is_much, middle, low), torch.where(is_much, high, middle)
    assert (found - (scores / 2 - low).clamp(min=0).square()).abs().max() <= 1e-9
    assert (found.sum(-1) - 1).abs().max() <= 1e-9
    assert m < 77 or (found == 0).float().mean() > 0.3


def test_sparse_attention_goes_beyond_softmax_in_pieces_of_queries(dtype: torch.dtype) -> None:
    n = QUERIES_AT_ONCE + 100
    q = numbers(1, 2, n, D, seed=1, dtype=dtype)
    k, v = (numbers(1, 1, M_BASE, D, seed=seed, dtype=dtype) for seed in (2, 3))  # heads share keys
    sparse = entmax(q.double() @ k.double().mT * SCALE) @ v.double()
    out = attend_entmax(q, k, v, scale=SCALE)
    assert (out.double() - sparse).abs().max() <= TOLERANCE[dtype]
    steered = Steering(sparse=2.0).attend_cross(get("math"), "site", q, k, v, scale=SCALE, grid=(1, n))
    dense = explicit(q, k) @ v.double()
    assert (steered.double() - dense - 2 * (sparse - dense)).abs().max() <= 3 * TOLERANCE[dtype]
    factors = effective([Steering(sparse=2.0)], 0, "site", q, k, scale=SCALE, grid=(1, n)).double()
    assert (factors @ v.double() - steered.double()).abs().max() <= 3 * TOLERANCE[dtype]
    assert (factors.sum(-1) - 1).abs().max() <= 1e-5


def test_painted_rows_share_a_call(backend: str, dtype: torch.dtype) -> None:
    """Two with one painted word and one with two, among one that is not painted and one of another length."""
    q = numbers(5, H, N, D, seed=1, dtype=dtype)
    k, v = (numbers(4, H, M_EDIT, D, seed=seed, dtype=dtype) for seed in (2, 3))
    k_short, v_short = (numbers(1, H, M_BASE, D, seed=seed, dtype=dtype) for seed in (4, 5))
    groups = (
        RowGroup(lambda site: (k, v), torch.tensor([0, 1, 2, 4])),
        RowGroup(lambda site: (k_short, v_short), torch.tensor([3])),
    )

    def paint(rank: int, m: int, **more: object) -> Steering:
        region = torch.rand(N, rank, generator=torch.Generator().manual_seed(rank))
        strength = torch.rand(m, rank, generator=torch.Generator().manual_seed(m))
        return Steering(bias=Bias(lambda grid: region, 3 * strength), **more)  # type: ignore[arg-type]

    off = {"site": torch.tensor([1.0, 0.0])}
    steering = [paint(1, M_EDIT), None, paint(2, M_EDIT, heads=off), paint(1, M_BASE), paint(1, M_EDIT)]
    calls: list[int] = []
    counted = replace(get(backend), run=_counted(get(backend).run, calls))
    attention = AttentionRuntime({"site": counted}, steering=steering)
    out = attention.attend_cross("site", q, groups, scale=SCALE, grid=GRID, out_weight=WEIGHT)
    assert sorted(calls) == [1, 1, 3]
    for row, steered in enumerate(steering):
        keys, values = (k_short[0], v_short[0]) if row == 3 else (k[min(row, 3)], v[min(row, 3)])
        bias = None if steered is None or steered.bias is None else steered.bias.scores(GRID)
        expected = explicit(q[row], keys, bias) @ values.double()
        if row == 2:
            expected[1] = 0
        assert (out[row].double() - expected).abs().max() <= 2 * TOLERANCE[dtype], row


def _counted(run: Callable[..., Tensor], calls: list[int]) -> Callable[..., Tensor]:
    def counted(q: Tensor, *args: object, **options: object) -> Tensor:
        calls.append(len(q))
        return run(q, *args, **options)

    return counted
