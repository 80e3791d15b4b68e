"""A call of a U-Net as the list of its operations, to be repeated without the Python between them.

What CUDA graphs do for a GPU: in a small model Python takes a tenth of the time on one core, and more on
several, which it keeps waiting. Attention is called anew each time, so that prompts, backends and recorders
are those of the call.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from attention import AttentionRuntime, RowGroup
from attention.context import ContextRows, KeysValues
from unet.fast.watched import Watched

_MOST = 64  # kinds of calls that are kept
Inputs = Mapping[str, Tensor | None]
Compute = Callable[[Inputs, AttentionRuntime | None], tuple[Tensor, ...]]


class Replays:
    """The calls of one model that were listed; each kind when it comes for the second time, since in the
    first call a layer may still choose how to compute.

    They hold while the model's parameters do: when one is replaced or changed, or a module is, all are
    dropped, and a model with forward hooks is never replayed.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple, Replay | None] = OrderedDict()
        self._watched: Watched | None = None
        self._state: list[object] | None = None

    def __reduce__(self) -> tuple:
        return Replays, ()  # of a copy other parameters are read

    def call(
        self,
        model: nn.Module,
        compute: Compute,
        inputs: Inputs,
        attention: AttentionRuntime | None,
        kind: str = "",
    ) -> tuple[Tensor, ...]:
        """What `compute` gives, by a replay where there is one.

        Args:
            compute: reads its inputs, the parameters of `model` and what `attention` returns; the same
                operations for inputs of the same shapes. One that hands numbers to Python is not replayed.
            kind: what else decides which operations those are.
        """
        if self._watched is None or self._watched.modules[0] is not model:
            self._watched = Watched(model)
        state = self._watched.state()
        if state is None:
            return compute(inputs, attention)
        if state != self._state:
            self._known.clear()
            self._watched = Watched(model)
            self._state = self._watched.state()
        key = kind, *_key(inputs, attention)
        if key not in self._known:
            self._known[key] = None
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
            return compute(inputs, attention)
        self._known.move_to_end(key)
        replay = self._known[key]
        if replay is None:
            results, self._known[key] = record(compute, inputs, attention)
            return results
        return replay(inputs, attention)


Replay = Compute


def record(
    compute: Compute, inputs: Inputs, attention: AttentionRuntime | None
) -> tuple[tuple[Tensor, ...], Replay]:
    """What `compute` gives, and what repeats it: `compute` itself where numbers have gone to Python."""
    recording = _Recording(inputs)
    through = None if attention is None else _Attention(recording, attention)
    with recording:
        results = compute(inputs, through)  # type: ignore[arg-type]  # stands for the runtime
    return results, recording.replay(results) if recording.is_repeatable else compute


class _Recording(TorchDispatchMode):
    """Writes every operation down, a line of Python each. A tensor has the name of the operation that made
    it; one that no operation made is constant: a parameter, what is packed of it, a view of it.

    Tensors but constants are not held, so memory is what it is without.
    """

    def __init__(self, inputs: Inputs) -> None:
        super().__init__()
        self.lines: list[tuple[str, list[str]]] = []  # with the names in it
        self.names = WeakTensorKeyDictionary()
        self.known: dict[str, object] = {}  # constants and functions, by name
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
        if isinstance(out, Tensor) and func.is_view and all(map(self.is_constant, args)):
            self.constant(out)
        else:
            name = str(func).replace(".", "_")
            self.known[name] = func
            self.write(name, args, kwargs, out)
        return out

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
        given = [self.expression(each, reads) for each in args]
        given += [f"{key}={self.expression(each, reads)}" for key, each in kwargs.items()]
        parts = out if isinstance(out, (tuple, list)) else [out]
        made = [f"v{len(self.lines)}_{place}" for place in range(len(parts))]
        for name, part in zip(made, parts, strict=True):
            if isinstance(part, Tensor):
                self.names[part] = name
            elif part is not None:
                self.is_repeatable = False  # a number, which Python may decide by
        target = made[0] if parts is not out else f"[{', '.join(made)}]"
        self.lines.append((f"{target} = {function}({', '.join(given)})", [*reads, *made]))

    def expression(self, value: Any, reads: list[str]) -> str:
        """`value` in Python; what it reads is added to `reads`."""
        if isinstance(value, _Written):
            reads += value.reads
            return value.expression
        if isinstance(value, Tensor):
            name = self.names.get(value) or self.constant(value)
            reads.append(name)
            return name
        if isinstance(value, (tuple, list)):
            parts = "".join(f"{self.expression(each, reads)}, " for each in value)
            return f"[{parts}]" if isinstance(value, list) else f"({parts})"
        if value is None or isinstance(value, (bool, int, str)):
            return repr(value)
        return self.constant(value)

    def replay(self, results: Sequence[Tensor]) -> Replay:
        """Variables go as soon as nothing reads them any more."""
        given = [self.names[each] for each in results]
        last = {name: number for number, (_, named) in enumerate(self.lines) for name in named}
        source = ["def run(inputs, attention):", f"    [{', '.join(self.inputs)}] = inputs.values()"]
        for number, (line, named) in enumerate(self.lines):
            done = {name for name in named if last[name] == number and name.startswith("v")}.difference(given)
            source.append(f"    {line}; del {', '.join(sorted(done))}" if done else f"    {line}")
        source.append(f"    return {', '.join(given)},")
        exec("\n".join(source), self.known)  # of the operations above, nothing from outside
        return self.known["run"]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class _Written:
    expression: str
    reads: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Attention:
    """Stands for the runtime while operations are written down: its calls go there whole."""

    recording: _Recording
    runtime: AttentionRuntime

    @property
    def context(self) -> ContextRows | None:
        return self.runtime.context

    def attend_self(self, site: str, *tensors: Tensor | None, **facts: Any) -> Tensor:
        out = self._apart(self.runtime.attend_self, site, *tensors, **facts)
        self.recording.write("attention.attend_self", (site, *tensors), facts, out)
        return out

    def attend_cross(self, site: str, q: Tensor, groups: ContextRows, **facts: Any) -> Tensor:
        written = _Written("attention.context")
        if groups is not self.runtime.context:  # made in this call, of its context
            reads: list[str] = []
            parts = [self.recording.expression(each, reads) for each in groups[0].at(site)]
            self.recording.known["one_group"] = _one_group
            written = _Written(f"one_group({', '.join(parts)})", reads)
        out = self._apart(self.runtime.attend_cross, site, q, groups, **facts)
        self.recording.write("attention.attend_cross", (site, q, written), facts, out)
        return out

    def _apart(self, call: Callable[..., Tensor], *args: Any, **facts: Any) -> Tensor:
        """What `call` gives, unwritten."""
        self.recording.is_paused = True
        try:
            return call(*args, **facts)
        finally:
            self.recording.is_paused = False


def _one_group(k: Tensor, v: Tensor) -> ContextRows:
    made: KeysValues = (k, v)
    return (RowGroup(lambda site: made),)


def _key(inputs: Inputs, attention: AttentionRuntime | None) -> tuple:
    """What decides which operations a call makes."""
    looks = [None if x is None else (x.shape, x.stride(), x.dtype) for x in inputs.values()]
    has_context = attention is not None and attention.context is not None
    return *looks, attention is None, has_context, torch.get_num_threads()
