"""Optimizes captured graphs: merges views of views, and writes elementwise results in place."""

from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx

_aten = torch.ops.aten
# Elementwise operations, and the variants that overwrite their first argument.
_OVER: dict[Any, Any] = {
    _aten.add.Tensor: torch.Tensor.add_,
    _aten.mul.Tensor: torch.Tensor.mul_,
    _aten.silu.default: _aten.silu_.default,
    _aten.gelu.default: _aten.gelu_.default,
}
_COMMUTE = {_aten.add.Tensor, _aten.mul.Tensor}
# Functions with the same arguments and results that take 1 to 3 us less to call.
_DIRECT: dict[Any, Any] = {
    _aten.linear.default: F.linear,
    _aten.group_norm.default: torch.group_norm,
    _aten.layer_norm.default: torch.layer_norm,
    _aten.cat.default: torch.cat,
    _aten.mul_.Tensor: torch.Tensor.mul_,
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a tensor lies in memory; a node has that of its result as `meta["layout"]`.

    Attributes:
        memory: the node that allocated the memory; None if it belongs to an input or a constant.
    """

    memory: fx.Node | None
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int | torch.SymInt
    dtype: torch.dtype

    def is_like(self, other: "Layout") -> bool:
        """Whether one can overwrite the other, element by element."""
        return (self.shape, self.stride, self.dtype) == (other.shape, other.stride, other.dtype)


def layout_of(node: Any) -> Layout | None:
    """The layout of a node's result; None if it is not a strided tensor."""
    return node.meta.get("layout") if isinstance(node, fx.Node) else None


def writes(node: fx.Node) -> bool:
    """Whether an operation writes to an argument."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def merge_views(graph: fx.Graph) -> None:
    """Makes each view a direct view of the tensor that owns the memory, or that tensor if both are equal."""
    for node in graph.nodes:
        layout = layout_of(node)
        if layout is None or layout.memory is None or layout.memory is node or writes(node):
            continue
        owner = layout.memory
        owners = layout_of(owner)
        assert owners is not None
        if layout == owners:
            node.replace_all_uses_with(owner)
        elif layout.dtype == owners.dtype:
            with graph.inserting_before(node):
                arguments = (owner, tuple(layout.shape), layout.stride, layout.offset)
                view = graph.call_function(torch.as_strided, arguments)
            view.meta["layout"] = layout
            node.replace_all_uses_with(view)


def write_in_place(graph: fx.Graph) -> None:
    """Writes elementwise results over arguments that nothing reads later, since these are in the cache and
    fresh memory is not. The result of an operation that is not torch's may share memory, and is not
    overwritten."""
    order = {node: number for number, node in enumerate(graph.nodes)}
    last: dict[fx.Node, int] = {}  # owner of memory -> number of the node that reads it last
    for node in graph.nodes:
        if (layout := layout_of(node)) and layout.memory is not None:
            last[layout.memory] = max([last.get(layout.memory, 0), *map(order.__getitem__, node.users)])
    for node in graph.nodes:
        if node.target not in _OVER:
            continue
        result, read = layout_of(node), [layout_of(each) for each in node.args]
        owners = [None if layout is None else layout.memory for layout in read]
        can_swap = node.target in _COMMUTE and len(read) == 2 and not node.kwargs
        for i in (0, 1) if can_swap else (0,):
            layout, owner = read[i], owners[i]
            if layout is None or owner is None or result is None or not _is_of_torch(owner):
                continue
            is_free = last[owner] == order[node] and owners.count(owner) == 1
            if is_free and layout.is_like(result):
                node.target = _OVER[node.target]
                node.args = (node.args[i], *node.args[:i], *node.args[i + 1 :])
                break


def _is_of_torch(node: fx.Node) -> bool:
    owner = node.args[0] if node.target is getitem else node
    return isinstance(owner, fx.Node) and isinstance(owner.target, torch._ops.OpOverload)


def call_directly(graph: fx.Graph) -> None:
    """Replaces operations by equal functions that are cheaper to call."""
    for node in graph.nodes:
        node.target = _DIRECT.get(node.target, node.target)
