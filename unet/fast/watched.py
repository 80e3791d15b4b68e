"""Whether a model is what it was."""

from itertools import chain
from operator import attrgetter, is_
from typing import Any

from torch import Tensor, nn

_version = attrgetter("_version")


class Watched:
    """A model's modules, parameters and buffers; `has_changed` tells whether they are what they were.

    It is asked before each call, when what it looks at is in no cache any more: so there are no loops in
    Python, which take half a millisecond of a small model's 14.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        modules = list(model.modules())
        self._hooks = [
            each for module in modules for each in (module._forward_hooks, module._forward_pre_hooks)
        ]
        self._tables: list[dict[str, Any]] = [
            table
            for module in modules
            for table in (module._modules, module._parameters, module._buffers)
            if table
        ]
        self._values = list(chain.from_iterable(map(dict.values, self._tables)))
        self._tensors = [each for each in self._values if isinstance(each, Tensor)]
        # Those made in inference mode count no versions.
        self._counted = [each for each in self._tensors if not each.is_inference()]
        self._places = list(map(Tensor.data_ptr, self._tensors))
        self._versions = list(map(_version, self._counted))

    def has_hooks(self) -> bool:
        return any(self._hooks)

    def has_changed(self) -> bool:
        """Whether a module or a tensor has been replaced or written to."""
        values = list(chain.from_iterable(map(dict.values, self._tables)))
        return not (
            len(values) == len(self._values)
            and all(map(is_, values, self._values))
            and list(map(Tensor.data_ptr, self._tensors)) == self._places
            and list(map(_version, self._counted)) == self._versions
        )
