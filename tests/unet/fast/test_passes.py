"""Operations that a captured call leaves out or does in place, and that its results stay the same bits."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.unet.fast.graph import GraphMode

Compute = Callable[[Tensor], tuple[Tensor, ...]]
WEIGHT = torch.randn(8, 8)


@torch.inference_mode()
def called(compute: Compute) -> list[str]:
    """The operations of a captured call, after a check that it returns the same and leaves its input
    unchanged."""
    x = torch.randn(8, 8)
    mode = GraphMode({"x": x}, None)
    with mode:
        results = compute(x)
    repeat, constants = mode.function(results)
    for _ in range(3):
        x = torch.randn(8, 8)
        kept, expected = x.clone(), compute(x.clone())
        found = repeat(x, None, *constants)
        assert len(found) == len(expected) and all(map(torch.equal, found, expected))
        assert x.equal(kept)
    nodes = [node for node in mode.graph.nodes if node.op == "call_function"]
    return [str(node.target.__name__).partition(".")[0] for node in nodes]


def of_a_view_read_later(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    view = y.view(64)
    z = F.silu(y)
    return (z.view(64) * 2 + view,)


@pytest.mark.parametrize(
    ("compute", "operations"),
    [
        (lambda x: (F.silu(torch.mm(x, WEIGHT)),), ["mm", "silu_"]),
        (lambda x: (F.gelu(torch.mm(x, WEIGHT), approximate="tanh"),), ["mm", "gelu_"]),
        (lambda x: (x + torch.mm(x, WEIGHT),), ["mm", "add_"]),
        (lambda x: (torch.mm(x, WEIGHT) * x,), ["mm", "mul_"]),
        (lambda x: (torch.add(torch.mm(x, WEIGHT), x, alpha=2),), ["mm", "add_"]),
        (lambda x: (torch.add(x, torch.mm(x, WEIGHT), alpha=2),), ["mm", "add"]),
        (of_a_view_read_later, ["mm", "as_strided", "silu", "as_strided", "mul_", "add_"]),
    ],
)
def test_a_tensor_is_overwritten_at_its_last_use(compute, operations) -> None:
    assert called(compute) == operations


def of_a_result(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    return F.silu(y), y


def of_part_of_a_result(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    return F.silu(y), y[2:4]


def of_the_same_twice(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    return (y + y.mT,)


@pytest.mark.parametrize(
    "compute",
    [
        of_a_result,
        of_part_of_a_result,
        of_the_same_twice,
        lambda x: (torch.mm(x, WEIGHT)[:1] + x,),  # smaller than the result
        lambda x: (F.silu(x),),
        lambda x: (F.silu(x[1:]),),
        lambda x: (F.silu(WEIGHT) + x,),
        lambda x: (F.silu(WEIGHT[1:]), x),
    ],
)
def test_a_tensor_in_use_is_not_overwritten(compute) -> None:
    operations = called(compute)
    assert "silu_" not in operations
    assert compute is not of_the_same_twice or "add_" not in operations


def through_views(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT).unflatten(1, (2, 4)).permute(1, 0, 2)[1:].transpose(1, 2)
    return (y.clone(),)


def there_and_back(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT).view(4, 2, 8).permute(2, 0, 1)
    return (y.permute(1, 2, 0).reshape(8, 8) + x,)


def of_one_part(x: Tensor) -> tuple[Tensor, ...]:
    (part,) = torch.mm(x, WEIGHT).split(100)
    return (F.dropout(part, 0.5, training=False) + x,)


def unread(x: Tensor) -> tuple[Tensor, ...]:
    F.gelu(x).chunk(2)
    return (x + WEIGHT.chunk(2)[0].repeat(2, 1),)


def written_between(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    before = F.silu(y)
    y.view(64)[:8].add_(1)
    return before, F.silu(y)


def into_fresh_memory(x: Tensor) -> tuple[Tensor, ...]:
    outs = [torch.empty_like(x) for _ in range(2)]
    for number, out in enumerate(outs):
        torch.add(x, number, out=out)
    return tuple(outs)


def of_another_type(x: Tensor) -> tuple[Tensor, ...]:
    return ((x + 1).view(torch.int32) // 2,)


@pytest.mark.parametrize(
    ("compute", "operations"),
    [
        (through_views, ["mm", "as_strided", "clone"]),
        (there_and_back, ["mm", "add_"]),
        (of_one_part, ["mm", "add_"]),
        (unread, ["repeat", "add_"]),
        (written_between, ["mm", "silu", "as_strided", "add_", "silu_"]),
        (into_fresh_memory, ["empty_like", "empty_like", "add", "add"]),
        (of_another_type, ["add", "view", "floor_divide"]),
    ],
)
def test_a_view_of_views_is_one_view_and_nothing_unread_is_computed(compute, operations) -> None:
    assert called(compute) == operations


@torch.inference_mode()
def test_random_numbers_are_drawn_each_time() -> None:
    x = torch.ones(64)
    mode = GraphMode({"x": x}, None)
    with mode:
        results = F.dropout(x, 0.5), F.dropout(x, 0.5)
    repeat, constants = mode.function(results)
    first, second = repeat(x, None, *constants)
    assert not first.equal(second)
