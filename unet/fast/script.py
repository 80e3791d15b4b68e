"""A program in TorchScript: without Python between its operations, but where it calls attention."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from limelight.unet.fast.program import Operation, Program, Run, last_read

_NAMED = re.compile(r"\w+=")
# How lists and constants are written in a graph, beside what is done with them.
_OF_LISTS = {
    "prim::Constant",
    "prim::ListConstruct",
    "prim::ListUnpack",
    "prim::TupleConstruct",
    "aten::__getitem__",
}


def in_script(program: Program) -> Run:
    """As `Program.in_python`, with a piece of TorchScript from each call of attention to the next.

    Raises:
        RuntimeError: TorchScript does not know a value that an operation is given, or would take it for
            another operation of that name.
    """
    last = last_read(program.operations, program.results)
    lines: list[tuple[str, Sequence[str]]] = []
    pieces: dict[str, Any] = {}
    number = 0  # of operations before the next group
    for is_attention, group in groupby(program.operations, key=lambda each: each.is_attention):
        operations = list(group)
        number += len(operations)
        if is_attention:
            lines += [(each.line, each.named) for each in operations]
            continue
        made = dict.fromkeys(name for each in operations for name in each.made)
        given = dict.fromkeys(name for each in operations for name in each.reads if name not in made)
        constants = {name: program.known[name] for name in given if name in program.known}
        variables = [name for name in given if name not in constants]
        left = [name for name in made if last[name] >= number]
        name = f"piece{len(pieces)}"
        pieces[name] = _piece(program, operations, variables, constants, left)
        lines.append((f"{', '.join(left)}, = {name}({', '.join(variables)})", [*variables, *left]))
    run = program.function(lines, **pieces)

    def run_in_script(inputs: Mapping[str, Tensor | None], attention: object) -> tuple[Tensor, ...]:
        with torch.jit.optimized_execution(False):  # it would take longer than it saves
            return run(inputs, attention)

    return run_in_script


def _piece(
    program: Program,
    operations: Sequence[Operation],
    variables: Sequence[str],
    constants: dict[str, Tensor],
    left: Sequence[str],
) -> Any:
    """Calls `piece(variables)`, which gives what is `left`."""
    source = [f"def piece({', '.join(f'{name}: Tensor' for name in (*variables, *constants))}):"]
    for each in operations:
        source.append(f"    {_by_name(each, program.known[each.function]._schema)}")
    source.append(f"    return ({', '.join(left)},)\n")
    graph = torch.jit.CompilationUnit("\n".join(source)).piece.graph
    found = [node.schema() for node in graph.nodes() if node.kind() not in _OF_LISTS]
    wanted = [str(program.known[each.function]._schema) for each in operations]
    for one, other in zip(found, wanted, strict=True):
        if _without_overload(one) != _without_overload(other):
            raise RuntimeError(f"TorchScript reads {other} as {one}")
    arguments = list(graph.inputs())
    for place, value in reversed([*enumerate(constants.values(), len(variables))]):
        node = graph.create("prim::Constant").t_("value", value.detach())
        graph.prependNode(node)
        arguments[place].replaceAllUsesWith(node.output())
        graph.eraseInput(place)
    return torch._C._create_function_from_graph("piece", graph)


def _by_name(each: Operation, schema: Any) -> str:
    """The line, with the names of all arguments, by which overloads are told apart."""
    given = [
        value if _NAMED.match(value) else f"{argument.name}={value}"
        for value, argument in zip(each.given, schema.arguments, strict=False)
    ]
    return replace(each, given=given).line_of(f"torch.ops.{schema.name.replace('::', '.')}")


def _without_overload(schema: str) -> str:
    """The name and the arguments, where it is no matter whether a number is one or a tensor of one, and
    whether a list of tensors might lack some."""
    name, arguments = schema.split("(", 1)
    for one, other in (("*, ", ""), ("Scalar", "Tensor"), ("Tensor?[]", "Tensor[]")):
        arguments = arguments.replace(one, other)
    return f"{name.split('.')[0]}({arguments}"
