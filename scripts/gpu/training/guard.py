"""Restores the last good weights, at a lower learning rate, when the loss diverges."""

import math
import time
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor, nn

TOO_HIGH = 1.5  # a loss above this multiple of the median has diverged
SLOWER = 0.6
EVERY = 30.0  # seconds between snapshots
SEEN = 100  # number of recent losses whose median is taken


class Guard:
    """Watches the loss of a training and restores a snapshot when it diverges.

    Args:
        log: called with each event.
    """

    def __init__(
        self, module: nn.Module, optimizers: list[torch.optim.Optimizer], log: Callable[..., None]
    ) -> None:
        self.module, self.optimizers, self.log = module, optimizers, log
        self.factor, self.restored = 1.0, 0
        self.losses: deque[float] = deque(maxlen=SEEN)
        self.keep()

    def keep(self) -> None:
        """Takes a snapshot of the weights and the optimizers' states."""
        self.taken = time.monotonic()
        self.weights = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        self.states = [_copied(optimizer.state_dict()) for optimizer in self.optimizers]

    def watch(self, loss: float) -> bool:
        """Returns whether the loss is normal; otherwise the last snapshot is restored first."""
        ordinary = sorted(self.losses)[len(self.losses) // 2] if len(self.losses) >= SEEN // 4 else math.inf
        if not math.isfinite(loss) or loss > TOO_HIGH * ordinary:
            self.module.load_state_dict(self.weights)
            for optimizer, state in zip(self.optimizers, self.states, strict=True):
                optimizer.load_state_dict(_copied(state))
            self.factor *= SLOWER
            self.restored += 1
            self.losses.clear()
            self.log("restored", loss=loss, median=ordinary, factor=self.factor)
            return False
        self.losses.append(loss)
        if time.monotonic() - self.taken > EVERY:
            self.keep()
        return True


def _copied(state: object) -> object:
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_copied(value) for value in state)
    return state
