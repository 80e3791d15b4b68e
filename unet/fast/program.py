"""The operations of a call, as they were listed, and the Python that repeats them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Run = Callable[..., tuple[Tensor, ...]]
MADE = re.compile(r"\bv\d+_\d+\b")  # names of what operations make


@dataclass(slots=True)
class Operation:
    """A line of Python.

    Attributes:
        function: the name by which the line calls it.
        given: the arguments, as they stand in the line.
        reads, made: names of tensors.
        is_many: whether the result is a list of what is made.
    """

    function: str
    given: list[str]
    reads: list[str]
    made: list[str]
    is_many: bool = False

    @property
    def line(self) -> str:
        return self.line_of(self.function)

    def line_of(self, function: str) -> str:
        """Calls it by this name."""
        only = "[0]" if self.is_many and len(self.made) == 1 else ""
        return f"{', '.join(self.made)} = {function}({', '.join(self.given)}){only}"

    @property
    def named(self) -> list[str]:
        return [*self.reads, *self.made]

    @property
    def is_attention(self) -> bool:
        """Then it is of the call's own runtime, and what it does is known to nobody else."""
        return self.function.startswith("attention.")


@dataclass(frozen=True, slots=True)
class Look:
    """What a tensor is like; those of one `memory` share it, and None is memory that others may read."""

    memory: str | None
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int | torch.SymInt
    dtype: torch.dtype


@dataclass(slots=True)
class Program:
    """What a call computes.

    Attributes:
        inputs, results: names of tensors.
        looks: of what operations make, by name.
        known: constants and functions, by name.
    """

    inputs: Sequence[str]
    operations: list[Operation]
    results: list[str]
    looks: dict[str, Look]
    known: dict[str, Any]

    def is_mutable(self, operation: Operation) -> bool:
        """Whether it writes to what it is given."""
        return not operation.is_attention and self.known[operation.function]._schema.is_mutable

    def in_python(self) -> Run:
        """Calls `run(inputs, attention)`. Variables go as soon as nothing reads them any more."""
        lines = [each.line for each in self.operations]
        return self.function([(line, each.named) for line, each in zip(lines, self.operations, strict=True)])

    def function(self, lines: Sequence[tuple[str, Sequence[str]]], **known: object) -> Run:
        """A function of lines, each with the names of the tensors in it.

        Args:
            known: what else they name.
        """
        last = {name: number for number, (_, named) in enumerate(lines) for name in named}
        source = ["def run(inputs, attention):", f"    [{', '.join(self.inputs)}] = inputs.values()"]
        for number, (line, named) in enumerate(lines):
            done = {name for name in named if last[name] == number and MADE.fullmatch(name)}
            gone = sorted(done.difference(self.results))
            source.append(f"    {line}; del {', '.join(gone)}" if gone else f"    {line}")
        source.append(f"    return {', '.join(self.results)},")
        names: dict[str, Any] = {**self.known, **known}
        exec("\n".join(source), names)  # of listed operations, nothing from outside
        return names["run"]


def last_read(operations: Sequence[Operation], results: Sequence[str]) -> Mapping[str, int]:
    """The number of the operation that names each tensor last; of results, one behind all."""
    last = {name: number for number, each in enumerate(operations) for name in each.named}
    return last | dict.fromkeys(results, len(operations))
