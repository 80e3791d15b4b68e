"""What a model is handed, for one generation, to do its attention with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from attention.backend import Backend, Mask
from attention.context import ContextRows

RowByRow = Float[Tensor, "b hk m d"] | Sequence[Float[Tensor, "hk m d"]]  # rows may differ in length


@runtime_checkable
class Recorder(Protocol):
    """Listens to attention. May keep what it learns; must not change its arguments.

    Each site is heard once per call, before it attends. `grid` is (height, width) of the queries in
    positions; n == height * width, row by row.
    """

    def record(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: RowByRow,
        v: RowByRow,
        *,
        scale: float,
        grid: tuple[int, int],
        out_weight: Float[Tensor, "c hd"],
    ) -> None:
        """Hears a cross-attention site.

        Args:
            out_weight: of the projection that the heads, side by side, are read with.
        """

    def record_self(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk n d"],
        *,
        scale: float,
        grid: tuple[int, int],
    ) -> None:
        """Hears a self-attention site."""


@dataclass(frozen=True, slots=True)
class AttentionRuntime:
    """One backend per site, and who is listening. Made per generation, never shared.

    Args:
        context: what cross-attention reads, computed ahead; None has it project the context it is given.
    """

    plan: Mapping[str, Backend]
    recorder: Recorder | None = None
    context: ContextRows | None = None

    def attend(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk m d"],
        v: Float[Tensor, "b hk m d"],
        *,
        scale: float,
        mask: Mask | None = None,
    ) -> Float[Tensor, "b h n d"]:
        """Attention at `site`, by the backend planned for it.

        Raises:
            KeyError: the plan has no such site.
            BackendRefused: the call differs from the one planned for, and the backend cannot run it.
        """
        return self.plan[site].attend(q, k, v, mask=mask, scale=scale)

    def attend_ahead(
        self, site: str, q: Float[Tensor, "b h n d"], groups: ContextRows, *, scale: float
    ) -> Float[Tensor, "b h n d"]:
        """Attention at `site` to keys and values computed ahead, one call for each length of context.

        Raises:
            KeyError, BackendRefused: as `attend`.
        """
        if groups[0].rows is None:
            return self.attend(site, q, *groups[0].at(site), scale=scale)
        b, h, n, d = q.shape
        out = q.new_empty(b, n, h, d).transpose(1, 2)
        for group in groups:
            assert group.rows is not None  # a group of all rows is the only one
            part = self.attend(site, q[group.rows], *group.at(site), scale=scale)
            out.index_copy_(0, group.rows, part)
        return out
