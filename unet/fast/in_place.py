"""Results written over what was read for the last time: what is written next lies in the cache already."""

from typing import Any

import torch

from limelight.unet.fast.program import Program, last_read

_aten = torch.ops.aten
# Elementwise operations, by the names that lines call them, with those that write over their first argument.
_OVER: dict[str, Any] = {
    "aten_add_Tensor": _aten.add_.Tensor,
    "aten_mul_Tensor": _aten.mul_.Tensor,
    "aten_silu_default": _aten.silu_.default,
    "aten_gelu_default": _aten.gelu_.default,
}
_COMMUTE = {"aten_add_Tensor", "aten_mul_Tensor"}


def write_in_place(program: Program) -> None:
    """Changes the operations that may write over an argument so that they do.

    An argument is written over where the operation is the last that reads anything in its memory, and where
    it looks as the result does.
    """
    looks = program.looks
    last = last_read(program.operations, program.results)
    ends: dict[str | None, int] = {}  # memory -> who reads it last
    for name, look in looks.items():
        if name in last:
            ends[look.memory] = max(ends.get(look.memory, 0), last[name])
    for number, each in enumerate(program.operations):
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
            program.known[each.function] = over
            break
