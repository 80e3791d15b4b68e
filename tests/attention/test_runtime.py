"""A planned call is checked when its shape is new, and a refusal names the orders that would help."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, AttentionSpec, BackendRefused, RowGroup, get

GRID, WEIGHT = (2, 3), torch.zeros(1, 16)


def rows(*shape: int, **options: object) -> Tensor:
    return torch.randn(*shape, **options)  # type: ignore[call-overload]


def attend(attention: AttentionRuntime, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attention.attend_self("site", q, k, v, scale=0.3, grid=GRID)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[AttentionSpec]:
    """The specs of the calls that were checked."""
    seen: list[AttentionSpec] = []
    make = AttentionSpec.of

    def of(*tensors: Tensor, **options: object) -> AttentionSpec:
        seen.append(make(*tensors, **options))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(AttentionSpec, "of", of)
    return seen


def test_a_call_is_checked_once_for_each_shape(checked: list[AttentionSpec]) -> None:
    planned = AttentionRuntime({"site": get("math")})
    for batch in (2, 1, 2, 2, 1):
        q = rows(batch, 2, 6, 8)
        attend(replace(planned, recorder=None), q, q, q)
    assert [spec.batch for spec in checked] == [2, 1]


def test_sites_that_are_alike_are_checked_once(checked: list[AttentionSpec]) -> None:
    attention = AttentionRuntime(dict.fromkeys("abc", get("math")))
    q = rows(1, 2, 6, 8)
    for site in "abc":
        attention.attend_cross(
            site, q, (RowGroup(lambda site: (q, q)),), scale=0.3, grid=GRID, out_weight=WEIGHT
        )
    assert len(checked) == 1


def test_runtimes_share_nothing_but_what_replace_hands_on(checked: list[AttentionSpec]) -> None:
    q = rows(1, 2, 6, 8)
    for _ in range(2):
        attend(AttentionRuntime({"site": get("math")}), q, q, q)
    assert len(checked) == 2


def test_another_backend_checks_for_itself() -> None:
    planned, q = AttentionRuntime({"site": get("math")}), rows(1, 2, 6, 8)
    attend(planned, q, q, q)
    other = replace(planned, plan={"site": get("flash")})
    with pytest.raises(BackendRefused, match=r"^flash cannot run this attention: device is cpu; needs cuda"):
        attend(other, q, q, q)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dtype": torch.float64}, "dtype is torch.float64; needs torch.float32"),
        ({"requires_grad": True}, "a gradient is needed; computes none"),
    ],
    ids=["dtype", "gradient"],
)
def test_a_call_that_differs_from_the_plan_is_refused(change: dict[str, object], words: str) -> None:
    attention, q = AttentionRuntime({"site": get("onednn")}), rows(1, 2, 6, 8)
    attend(attention, q, q, q)
    changed = rows(1, 2, 6, 8, **change)
    for _ in range(2):  # what was refused is not taken for accepted
        with pytest.raises(BackendRefused, match=rf"^onednn cannot run this attention: {words}\n"):
            attend(attention, changed, changed, changed)


@pytest.mark.parametrize(
    ("k", "v", "message"),
    [
        (rows(1, 2, 6, 9), rows(1, 2, 6, 9), "batch and head_dim must be equal"),
        (rows(1, 2, 6, 8), rows(1, 2, 5, 8), "must be equal"),
        (rows(1, 2, 6, 8).double(), rows(1, 2, 6, 8), r"must be equal"),
        (rows(1, 2, 6, 8, device="meta"), rows(1, 2, 6, 8, device="meta"), "must be the same device"),
    ],
)
def test_a_bad_call_is_refused_after_a_good_one(k: Tensor, v: Tensor, message: str) -> None:
    attention, q = AttentionRuntime({"site": get("math")}), rows(1, 2, 6, 8)
    attend(attention, q, q, q)
    with pytest.raises(ValueError, match=message):
        attend(attention, q, k, v)


def test_the_recorder_gets_every_row_though_equal_ones_are_computed_once() -> None:
    heard: list[tuple[Tensor, Tensor]] = []

    class Recorder:
        def record_self(self, site: str, q: Tensor, k: Tensor, **facts: object) -> None:
            heard.append((q, k))

        def record(self, *arguments: object, **facts: object) -> None:
            raise AssertionError

    q, k, v = (rows(2, 2, 6, 8) for _ in range(3))
    inverse = torch.tensor([0, 0, 1])
    attention = AttentionRuntime({"site": get("math")}, Recorder())
    out = attention.attend_self("site", q, k, v, inverse, scale=0.3, grid=GRID)
    assert len(out) == 2
    assert torch.equal(heard[0][0], q[inverse]) and torch.equal(heard[0][1], k[inverse])
