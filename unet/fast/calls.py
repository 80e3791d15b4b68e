"""The captured calls of a model, which hold while the model stays as it is."""

from collections import OrderedDict
from itertools import chain
from operator import attrgetter, is_
from typing import Any

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime
from limelight.unet.fast.capture import Compute, Inputs, capture

_MOST = 64  # kinds of calls that are kept
_version = attrgetter("_version")


class CapturedCalls:
    """Calls of one model, each kind captured when it comes for the second time: in the first call a layer may
    still choose how to compute.

    When a parameter or a module is replaced or changed, all are dropped. A model with forward hooks is always
    called.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple, Compute | None] = OrderedDict()
        self._state: _State | None = None

    def __reduce__(self) -> tuple:
        return CapturedCalls, ()  # of a copy other parameters are read

    def call(
        self,
        model: nn.Module,
        compute: Compute,
        inputs: Inputs,
        attention: AttentionRuntime | None,
        kind: str = "",
    ) -> tuple[Tensor, ...]:
        """What `compute` gives, by repeating a captured call where there is one.

        Args:
            compute: reads its inputs, the parameters of `model` and what `attention` returns; the same
                operations for inputs of the same shapes.
            kind: what else decides which operations those are.
        """
        state = self._state
        if state is None or state.model is not model or state.has_changed():
            self._known.clear()
            self._state = state = _State(model)
        if state.has_hooks():
            return compute(inputs, attention)
        key = kind, *_key(inputs, attention)
        if key not in self._known:
            self._known[key] = None
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
            return compute(inputs, attention)
        self._known.move_to_end(key)
        repeat = self._known[key]
        if repeat is None:
            results, self._known[key] = capture(compute, inputs, attention)
            return results
        return repeat(inputs, attention)


def _key(inputs: Inputs, attention: AttentionRuntime | None) -> tuple:
    """What decides which operations a call makes."""
    layouts = [None if x is None else (x.shape, x.stride(), x.dtype) for x in inputs.values()]
    has_context = attention is not None and attention.context is not None
    return *layouts, attention is None, has_context, torch.get_num_threads()


class _State:
    """A model's modules, parameters and buffers at one time.

    They are compared before each call, when none of them is in a cache any more: so there are no loops in
    Python, which take half a millisecond of a small model's 14.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        modules = list(model.modules())
        self._hooks = [each for m in modules for each in (m._forward_hooks, m._forward_pre_hooks)]
        tables = [table for m in modules for table in (m._modules, m._parameters, m._buffers)]
        self._tables: list[dict[str, Any]] = [table for table in tables if table]
        self._values = list(chain.from_iterable(map(dict.values, self._tables)))
        self._tensors = [each for each in self._values if isinstance(each, Tensor)]
        # Those made in inference mode count no versions.
        self._counted = [each for each in self._tensors if not each.is_inference()]
        self._addresses = list(map(Tensor.data_ptr, self._tensors))
        self._versions = list(map(_version, self._counted))

    def has_hooks(self) -> bool:
        return any(self._hooks)

    def has_changed(self) -> bool:
        """Whether a module or a tensor has been replaced or written to."""
        values = list(chain.from_iterable(map(dict.values, self._tables)))
        return not (
            len(values) == len(self._values)
            and all(map(is_, values, self._values))
            and list(map(Tensor.data_ptr, self._tensors)) == self._addresses
            and list(map(_version, self._counted)) == self._versions
        )
