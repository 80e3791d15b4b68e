"""Records what each query looks at, for models that write or read words: queries are tokens, keys are what
they look at."""

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.effective import probabilities


class QueryRecorder:
    """The probabilities of every query over its keys, as means over heads and sites.

    Only their sum is kept, and `take` ends it.
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._num_sites = 0

    def add(self, q: Float[Tensor, "b h n d"], k: Float[Tensor, "b hk m d"], *, scale: float) -> None:
        """Records a site. All sites until `take` have as many queries and keys."""
        rows = zip(q.detach(), k.detach(), strict=True)
        found = torch.stack([probabilities(own, keys, scale=scale).mean(0) for own, keys in rows])
        self._sum = found if self._sum is None else self._sum + found
        self._num_sites += 1

    def take(self) -> Float[Tensor, "b n m"]:
        """The means over the sites since the last call.

        Raises:
            ValueError: there was no site.
        """
        if self._sum is None:
            raise ValueError("nothing was recorded; no site of the model was given this recorder")
        mean = self._sum / self._num_sites
        self._sum, self._num_sites = None, 0
        return mean
