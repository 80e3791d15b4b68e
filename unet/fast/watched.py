"""Whether a model is what it was."""

from torch import nn


class Watched:
    """A model's modules and parameters, of which `state` tells whether they are what they were."""

    def __init__(self, model: nn.Module) -> None:
        self.modules = list(model.modules())
        self.children = [module._modules for module in self.modules if module._modules]
        tensors = [(module._parameters, module._buffers) for module in self.modules]
        self.tensors = [each for both in tensors for each in both if each]
        self.hooks = [(module._forward_hooks, module._forward_pre_hooks) for module in self.modules]

    def state(self) -> list[object] | None:
        """Differs when a module or a tensor has been replaced or changed; None where there are hooks."""
        if any(before or after for before, after in self.hooks):
            return None
        state: list[object] = [id(child) for children in self.children for child in children.values()]
        for tensors in self.tensors:
            for x in tensors.values():
                if x is not None:
                    state += (x.data_ptr(), 0 if x.is_inference() else x._version)
        return state
