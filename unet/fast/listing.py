"""The operations of a call, written down while it is made."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from limelight.unet.fast.program import Look, Operation, Program

# `repr` of these is Python, and TorchScript.
_WRITTEN_AS_THEY_ARE = (bool, int, float, str, torch.dtype, torch.layout, torch.memory_format)


@dataclass(frozen=True, slots=True)
class Written:
    """What stands for a value in a line, and what it reads."""

    expression: str
    reads: Sequence[str] = ()


class Listing(TorchDispatchMode):
    """Writes every operation down, a line of Python each. A tensor has the name of the operation that made
    it; one that no operation made is constant: a parameter, what is packed of it, a view of it.

    Tensors but constants are not held, so memory is what it is without.
    """

    def __init__(self, inputs: Mapping[str, Tensor | None]) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.names = WeakTensorKeyDictionary()
        self.looks: dict[str, Look] = {}
        self.known: dict[str, Any] = {"torch": torch}  # constants and functions, by name
        self.inputs = list(inputs)
        self.is_paused, self.is_repeatable = False, True
        for name, tensor in inputs.items():
            if tensor is not None:
                self.names[tensor] = name

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if self.is_paused:
            return out
        if func.is_view and all(map(self.is_constant, args)):
            for part in out if isinstance(out, (tuple, list)) else [out]:
                self.constant(part)
        else:
            self.write(self.function(func), args, kwargs, out)
        return out

    def function(self, func: Any) -> str:
        """The name by which lines call it."""
        name = str(func).replace(".", "_")
        self.known[name] = func
        return name

    def is_constant(self, value: object) -> bool:
        return not isinstance(value, Tensor) or value not in self.names or self.names[value] in self.known

    def constant(self, value: object) -> str:
        name = f"c{len(self.known)}"
        self.known[name] = value
        if isinstance(value, Tensor):
            self.names[value] = name
        return name

    def write(self, function: str, args: Iterable[Any], kwargs: Mapping[str, Any], out: Any) -> None:
        """`out` is what `function` gives."""
        reads: list[str] = []
        args = list(args)
        given = [self.expression(each, reads) for each in args]
        given += [f"{key}={self.expression(each, reads)}" for key, each in kwargs.items()]
        parts = out if isinstance(out, (tuple, list)) else [out]
        made = [f"v{len(self.operations)}_{place}" for place in range(len(parts))]
        read = [each for each in _tensors((*args, *kwargs.values())) if each.layout == torch.strided]
        homes = {each.untyped_storage().data_ptr(): each for each in read}  # packed weights lie nowhere
        for name, part in zip(made, parts, strict=True):
            if isinstance(part, Tensor):
                self.looks[name] = self._look(name, part, homes)
                self.names[part] = name
            elif part is not None:
                self.is_repeatable = False  # a number, which Python may decide by
        self.operations.append(Operation(function, given, reads, made, is_many=parts is out))

    def _look(self, name: str, part: Tensor, homes: Mapping[int, Tensor]) -> Look:
        """`homes`: the tensors that the operation read, by the memory in which they lie."""
        home = homes.get(part.untyped_storage().data_ptr())
        if home is None:
            memory: str | None = name
        else:  # of an input or a constant nobody knows who reads it
            known = self.looks.get(self.names.get(home, ""))
            memory = known.memory if known else None
        return Look(memory, part.shape, part.stride(), part.storage_offset(), part.dtype)

    def expression(self, value: Any, reads: list[str]) -> str:
        """`value` in Python; what it reads is added to `reads`."""
        if isinstance(value, Written):
            reads += value.reads
            return value.expression
        if isinstance(value, Tensor):
            name = self.names.get(value) or self.constant(value)
            reads.append(name)
            return name
        if isinstance(value, (tuple, list)):
            parts = "".join(f"{self.expression(each, reads)}, " for each in value)
            return f"[{parts}]" if isinstance(value, list) else f"({parts})"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float('{value}')"
        if isinstance(value, torch.device):
            return f"torch.device('{value}')"
        if value is None or isinstance(value, _WRITTEN_AS_THEY_ARE):
            return repr(value)
        return self.constant(value)

    def program(self, results: Sequence[Tensor]) -> Program:
        """What was listed, for these results."""
        given = [self.names[each] for each in results]
        return Program(self.inputs, self.operations, given, self.looks, self.known)


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)
