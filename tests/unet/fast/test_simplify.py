"""What need not be done is left out, and the results are the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.unet.fast.simplify import simplify
from tests.unet.fast.programs import functions, listed, repeat

WEIGHT = torch.randn(8, 8)
VIEW = "aten_as_strided_default"


def simplified(compute, x: Tensor) -> list[str]:
    program = listed(compute, x)
    simplify(program)
    repeat(program, compute, torch.randn_like(x))
    return functions(program)


def through_views(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT).unflatten(1, (2, 4)).permute(1, 0, 2)[1:].transpose(1, 2)
    return (y.clone(),)


def there_and_back(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT).view(4, 2, 8).permute(2, 0, 1)
    return (y.permute(1, 2, 0).reshape(8, 8) + x,)


def of_one_part(x: Tensor) -> tuple[Tensor, ...]:
    (part,) = torch.mm(x, WEIGHT).split(100)
    return (F.dropout(part, 0.5, training=False) + x,)


def what_is_made_twice(x: Tensor) -> tuple[Tensor, ...]:
    first, second = (torch.mm(F.silu(x), weight) for weight in (WEIGHT, WEIGHT.mT))
    return (first + second,)


def what_nobody_reads(x: Tensor) -> tuple[Tensor, ...]:
    F.gelu(x).chunk(2)
    return (x + WEIGHT.chunk(2)[0].repeat(2, 1),)


@pytest.mark.parametrize(
    ("compute", "called"),
    [
        (through_views, ["aten_mm_default", VIEW, "aten_clone_default"]),
        (there_and_back, ["aten_mm_default", "aten_add_Tensor"]),
        (of_one_part, ["aten_mm_default", "aten_add_Tensor"]),
        (what_is_made_twice, ["aten_silu_default", *["aten_mm_default"] * 2, "aten_add_Tensor"]),
        (what_nobody_reads, ["aten_repeat_default", "aten_add_Tensor"]),
    ],
)
def test_what_need_not_be_done_is_left_out(compute, called) -> None:
    assert simplified(compute, torch.randn(8, 8)) == called


def what_is_written_between(x: Tensor) -> tuple[Tensor, ...]:
    y = torch.mm(x, WEIGHT)
    before = F.silu(y)
    y.view(64)[:8].add_(1)
    return before, F.silu(y)


def two_of_fresh_memory(x: Tensor) -> tuple[Tensor, ...]:
    outs = [torch.empty_like(x) for _ in range(2)]
    for number, out in enumerate(outs):
        torch.add(x, number, out=out)
    return tuple(outs)


def of_other_numbers(x: Tensor) -> tuple[Tensor, ...]:
    return (x * 2 + x * 3 + F.leaky_relu(x, 0.1) + F.leaky_relu(x, 0.2),)


@pytest.mark.parametrize("compute", [what_is_written_between, two_of_fresh_memory, of_other_numbers])
def test_nothing_else_is(compute) -> None:
    x = torch.randn(8, 8)
    before = functions(listed(compute, x))
    views = {VIEW, "aten_view_default", "aten_slice_Tensor"}
    assert [f for f in simplified(compute, x) if f not in views] == [f for f in before if f not in views]


def test_bytes_that_are_read_as_another_type_are_no_view_of_the_memory() -> None:
    program = listed(lambda x: ((x + 1).view(torch.int32) // 2,), torch.randn(8, 8))
    simplify(program)
    assert functions(program) == ["aten_add_Tensor", "aten_view_dtype", "aten_floor_divide_default"]
    with torch.inference_mode():
        x = torch.randn(8, 8)
        assert program.in_python()({"x": x}, None)[0].equal((x + 1).view(torch.int32) // 2)


def test_random_numbers_are_drawn_each_time() -> None:
    program = listed(lambda x: (F.dropout(x, 0.5), F.dropout(x, 0.5)), torch.ones(64))
    simplify(program)
    with torch.inference_mode():
        first, second = program.in_python()({"x": torch.ones(64)}, None)
    assert not first.equal(second)
