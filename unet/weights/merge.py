"""Merges changes into a model's weights, and undoes them bit for bit."""

from collections.abc import Callable, Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn

Delta = Callable[
    [Tensor], Tensor
]  # a change for an original weight, in float32; the function does not modify its argument


class MergedWeights:
    """The changes merged into the weights of a model, such as those of LoRAs.

    Merged weights cost nothing in a call. The original of every changed weight is kept in main memory; each
    merge starts from the originals and rounds once.

    Attributes:
        state: the name that the caller of `merge` gave to the merged changes. Equal states mean equal
            weights, unless other code writes to them. () means that nothing is merged.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._originals: dict[str, Tensor] = {}
        self.state: Hashable = ()

    @torch.no_grad()
    def merge(self, deltas: Mapping[str, Sequence[Delta]], state: Hashable) -> None:
        """Adds changes to the original weights; changes merged before are removed.

        Args:
            deltas: name of a parameter -> its changes; all other parameters get their originals back.
            state: a name for these changes.
        """
        for name in sorted(deltas.keys() | self._originals.keys()):
            weight = self._model.get_parameter(name)
            if name not in self._originals:
                self._originals[name] = weight.detach().to("cpu", copy=True)
            if name not in deltas:
                weight.copy_(self._originals.pop(name))
                continue
            original = self._originals[name].to(weight.device, torch.float32)
            merged = original.clone()
            for delta in deltas[name]:
                merged += delta(original)
            weight.copy_(merged)
        self.state = state
