"""What is read for the last time is written over, and nothing else is."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.unet.fast.in_place import write_in_place
from tests.unet.fast.programs import functions, listed, repeat


def written(compute, x: Tensor) -> list[str]:
    """The functions that a program calls that writes in place, after it has given what `compute` gives for
    another input, and left that as it was."""
    program = listed(compute, x)
    write_in_place(program)
    repeat(program, compute, torch.randn_like(x))
    return functions(program)


WEIGHT = torch.randn(8, 8)


@pytest.mark.parametrize(
    ("compute", "called"),
    [
        (lambda x: (F.silu(torch.mm(x, WEIGHT)),), ["aten_mm_default", "aten_silu__default"]),
        (lambda x: (F.gelu(torch.mm(x, WEIGHT)),), ["aten_mm_default", "aten_gelu__default"]),
        (lambda x: (x + torch.mm(x, WEIGHT),), ["aten_mm_default", "aten_add__Tensor"]),
        (lambda x: (torch.mm(x, WEIGHT) * x,), ["aten_mm_default", "aten_mul__Tensor"]),
        (lambda x: (F.silu(F.silu(torch.mm(x, WEIGHT))),), ["aten_mm_default", *["aten_silu__default"] * 2]),
    ],
)
def test_results_of_operations_are_written_over(compute, called) -> None:
    assert written(compute, torch.randn(8, 8)) == called


def of_a_view(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    view = y.view(64)
    z = F.silu(y)  # the view is read afterwards
    return (z.view(64) * 2 + view,)


def of_a_result(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    return F.silu(y), y


def of_part_of_a_result(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    return F.silu(y), y[2:4]


def of_the_same_twice(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    return (y + y.mT,)


def of_a_smaller_one(x: Tensor) -> tuple[Tensor, ...]:
    return ((torch.mm(x, WEIGHT))[:1] + x,)


@pytest.mark.parametrize(
    "compute",
    [
        of_a_result,
        of_part_of_a_result,
        of_the_same_twice,
        of_a_smaller_one,
        lambda x: (F.silu(x),),
        lambda x: (F.silu(x[1:]),),
        lambda x: (F.silu(WEIGHT) + x,),
        lambda x: (F.silu(WEIGHT[1:]), x),
    ],
)
def test_what_others_read_is_not(compute) -> None:
    called = written(compute, torch.randn(8, 8))
    assert "aten_silu__default" not in called
    if compute in (of_the_same_twice, of_a_smaller_one):
        assert "aten_add__Tensor" not in called


def test_a_view_that_is_read_later_holds_its_memory() -> None:
    called = written(of_a_view, torch.randn(8, 8))
    assert "aten_silu_default" in called  # and what comes of it may be written over
    assert called[-2:] == ["aten_mul__Tensor", "aten_add__Tensor"]
