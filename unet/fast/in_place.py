"""Results written over what was read for the last time: what is written next lies in the cache already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

_aten = torch.ops.aten
# Elementwise operations, by the names that lines call them, with those that write over their first argument.
_OVER: dict[str, Any] = {
    "aten_add_Tensor": _aten.add_.Tensor,
    "aten_mul_Tensor": _aten.mul_.Tensor,
    "aten_silu_default": _aten.silu_.default,
    "aten_gelu_default": _aten.gelu_.default,
}
_COMMUTE = {"aten_add_Tensor", "aten_mul_Tensor"}


@dataclass(slots=True)
class Operation:
    """A line of Python.

    Attributes:
        target: what the result is called, or all parts of it.
        given: the arguments, as they stand in the line.
        reads, made: names of tensors.
    """

    target: str
    function: str
    given: list[str]
    reads: list[str]
    made: list[str]

    @property
    def line(self) -> str:
        return f"{self.target} = {self.function}({', '.join(self.given)})"

    @property
    def named(self) -> list[str]:
        return [*self.reads, *self.made]


@dataclass(frozen=True, slots=True)
class Look:
    """What a tensor is like; those of one `memory` share it, and None is memory that others may read."""

    memory: str | None
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


def write_in_place(
    operations: Sequence[Operation], looks: Mapping[str, Look], results: Sequence[str]
) -> list[Any]:
    """Changes the operations that may write over an argument so that they do; returns the functions that they
    call now.

    An argument is written over where the operation is the last that reads anything in its memory, and where
    it looks as the result does.
    """
    last = {name: number for number, each in enumerate(operations) for name in each.named}
    last |= dict.fromkeys(results, len(operations))
    ends: dict[str | None, int] = {}  # memory -> who reads it last
    for name, look in looks.items():
        ends[look.memory] = max(ends.get(look.memory, 0), last[name])
    functions = []
    for number, each in enumerate(operations):
        over = _OVER.get(each.function)
        if over is None:
            continue
        out = looks[each.made[0]]
        places = (0, 1) if each.function in _COMMUTE and len(each.given) == 2 else (0,)
        for place in places:
            arg = looks.get(each.given[place])
            if arg is None or arg.memory is None or ends[arg.memory] != number:
                continue
            if sum(looks[name].memory == arg.memory for name in each.reads if name in looks) > 1:
                continue  # another argument lies there too
            if (arg.shape, arg.stride, arg.dtype) != (out.shape, out.stride, out.dtype):
                continue
            each.given[0], each.given[place] = each.given[place], each.given[0]
            each.function = str(over).replace(".", "_")
            functions.append(over)
            break
    return functions
