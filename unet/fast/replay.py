"""A call of a U-Net as the list of its operations, to be repeated without the Python between them.

What CUDA graphs do for a GPU: in a small model Python takes a tenth of the time on one core, and more on
several, which it keeps waiting. Attention is called anew each time, so that prompts, backends and recorders
are those of the call.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime, RowGroup
from limelight.attention.context import ContextRows, KeysValues
from limelight.unet.fast.in_place import write_in_place
from limelight.unet.fast.listing import Listing, Written
from limelight.unet.fast.program import Program
from limelight.unet.fast.script import in_script
from limelight.unet.fast.simplify import simplify
from limelight.unet.fast.watched import Watched

logger = logging.getLogger(__name__)
_MOST = 64  # kinds of calls that are kept
_WORTH_A_SCRIPT = 50  # calls
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
        watched = self._watched
        if watched is None or watched.model is not model or watched.has_changed():
            self._known.clear()
            self._watched = watched = Watched(model)
        if watched.has_hooks():
            return compute(inputs, attention)
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
    listing = Listing(inputs)
    through = None if attention is None else _Attention(listing, attention)
    with listing:
        results = compute(inputs, through)  # type: ignore[arg-type]  # stands for the runtime
    if not listing.is_repeatable:
        return results, compute
    program = listing.program(results)
    simplify(program)
    write_in_place(program)
    return results, _Repeated(program)


class _Repeated:
    """A program, in Python until it has come so often that TorchScript saves the time that it takes to
    compile."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._run = program.in_python()
        self._calls = 0

    def __call__(self, inputs: Inputs, attention: AttentionRuntime | None) -> tuple[Tensor, ...]:
        self._calls += 1
        if self._calls == _WORTH_A_SCRIPT:
            try:
                self._run = in_script(self._program)
            except RuntimeError as error:
                logger.warning("a call is repeated in Python, as it does not compile: %s", error)
        return self._run(inputs, attention)


@dataclass(frozen=True, slots=True)
class _Attention:
    """Stands for the runtime while operations are written down: its calls go there whole."""

    listing: Listing
    runtime: AttentionRuntime

    @property
    def context(self) -> ContextRows | None:
        return self.runtime.context

    def attend_self(self, site: str, *tensors: Tensor | None, **facts: Any) -> Tensor:
        out = self._apart(self.runtime.attend_self, site, *tensors, **facts)
        self.listing.write("attention.attend_self", (site, *tensors), facts, out)
        return out

    def attend_cross(self, site: str, q: Tensor, groups: ContextRows, **facts: Any) -> Tensor:
        written = Written("attention.context")
        if groups is not self.runtime.context:  # made in this call, of its context
            reads: list[str] = []
            parts = [self.listing.expression(each, reads) for each in groups[0].at(site)]
            self.listing.known["one_group"] = _one_group
            written = Written(f"one_group({', '.join(parts)})", reads)
        out = self._apart(self.runtime.attend_cross, site, q, groups, **facts)
        self.listing.write("attention.attend_cross", (site, q, written), facts, out)
        return out

    def _apart(self, call: Callable[..., Tensor], *args: Any, **facts: Any) -> Tensor:
        """What `call` gives, unwritten."""
        self.listing.is_paused = True
        try:
            return call(*args, **facts)
        finally:
            self.listing.is_paused = False


def _one_group(k: Tensor, v: Tensor) -> ContextRows:
    made: KeysValues = (k, v)
    return (RowGroup(lambda site: made),)


def _key(inputs: Inputs, attention: AttentionRuntime | None) -> tuple:
    """What decides which operations a call makes."""
    looks = [None if x is None else (x.shape, x.stride(), x.dtype) for x in inputs.values()]
    has_context = attention is not None and attention.context is not None
    return *looks, attention is None, has_context, torch.get_num_threads()
