"""Muon: steps along the nearest orthogonal matrix of a gradient's moving average.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the size of its steps,
alike to AdamW's: Liu et al. 2025, arXiv:2502.16982. `torch.optim.Muon` takes no convolutions.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scripts.training.tools import parallel
from scripts.training.tools.precision import has_bfloat16

_POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # Jordan's: quick to bring singular values near 1, not to 1
_ITERATIONS = 5
_STEP_RMS = 0.2  # size of AdamW's steps, in learning rates
_LEAST_SIDE = 16  # a matrix with a smaller one has few directions to make alike


def is_hidden(parameter: nn.Parameter, most_rows: int = 2048) -> bool:
    """Whether Muon applies to the parameter: a matrix or a convolution, but not a table of embeddings, a
    norm, or the first or last layer."""
    if parameter.ndim < 2 or len(parameter) > most_rows:
        return False
    return min(parameter.flatten(1).shape) > _LEAST_SIDE


class Muon(torch.optim.Optimizer):
    """Replaces AdamW for hidden matrices; a convolution counts as the matrix (out, in * height * width). Of
    several processes with equal gradients each computes a part of the steps."""

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.01, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[nn.Parameter, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    towards = self._towards(parameter, group["momentum"]).flatten(1)
                    alike.setdefault(towards.shape, []).append((parameter, towards))
            found: list[Tensor] = []
            for number, (shape, rows) in enumerate(alike.items()):
                towards = torch.stack([each for _, each in rows])
                if parallel.is_mine(number):
                    found.append(orthogonal(towards) * (_STEP_RMS * max(shape) ** 0.5 * group["lr"]))
                else:
                    found.append(torch.zeros_like(towards))
            parallel.add_up(found)
            for rows, steps in zip(alike.values(), found, strict=True):
                for (parameter, _), step in zip(rows, steps, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(step.view_as(parameter))

    def _towards(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        """The moving average of the gradient, with Nesterov's look-ahead."""
        state = self.state[parameter]
        if not state:
            state["average"] = torch.zeros_like(parameter)
        state["average"].lerp_(parameter.grad, 1 - momentum)
        return parameter.grad.lerp(state["average"], momentum)


def orthogonal(matrices: Float[Tensor, "k r c"]) -> Float[Tensor, "k r c"]:
    """Each matrix with its singular values moved near 1, by five Newton-Schulz iterations, in bfloat16 where
    that is quick."""
    x = matrices.bfloat16() if has_bfloat16(matrices.device) else matrices
    is_tall = x.shape[1] > x.shape[2]
    x = x.mT if is_tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _POLYNOMIAL
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if is_tall else x).to(matrices.dtype)
