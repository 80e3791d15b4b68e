"""What a model is handed, for one generation, to do its attention with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.backend import Backend, Mask
from limelight.attention.context import ContextRows, RowGroup, split_rows

RowByRow = Float[Tensor, "b hk m d"] | Sequence[Float[Tensor, "hk _ d"]]  # rows may differ in length


@runtime_checkable
class Recorder(Protocol):
    """Listens to attention. May keep what it learns; must not change its arguments.

    Each site is heard once per call. `grid` is (height, width) of the queries in positions;
    n == height * width, row by row.
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
        """Hears a cross-attention site, before it attends.

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
        """Hears a self-attention site, before it attends."""


@runtime_checkable
class MeanRecorder(Protocol):
    """Listens to cross-attention that computes its maps beside its output; as `Recorder` otherwise."""

    def record_means(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        means: Sequence[Float[Tensor, "n _"]],
        *,
        grid: tuple[int, int],
    ) -> None:
        """Hears a cross-attention site.

        Args:
            means: of each row, the probabilities' mean over heads, in float32.
        """


@dataclass(frozen=True, slots=True)
class AttentionRuntime:
    """One backend per site, and who is listening. Made per generation, never shared.

    Args:
        context: what cross-attention reads, computed ahead; None has it project the context it is given.
        means: hears cross-attention in the recorder's place where a backend computes the maps itself.
    """

    plan: Mapping[str, Backend]
    recorder: Recorder | None = None
    context: ContextRows | None = None
    means: MeanRecorder | None = None

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

    def attend_self(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk n d"],
        v: Float[Tensor, "b hk n d"],
        place: Int[Tensor, " rows"] | None = None,
        *,
        scale: float,
        grid: tuple[int, int],
    ) -> Float[Tensor, "b h n d"]:
        """Self-attention at `site`, and the recorder hears it.

        Args:
            place: for every row of the recorder's batch, which of these it is like; None where these are it.

        Raises:
            KeyError, BackendRefused: as `attend`.
        """
        if self.recorder is not None:
            heard = (q, k) if place is None else (q[place], k[place])
            self.recorder.record_self(site, *heard, scale=scale, grid=grid)
        return self.attend(site, q, k, v, scale=scale)

    def attend_cross(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        groups: ContextRows,
        *,
        scale: float,
        grid: tuple[int, int],
        out_weight: Float[Tensor, "c hd"],
    ) -> Float[Tensor, "b h n d"]:
        """Cross-attention at `site`, and who is listening hears it: from the backend where that computes the
        maps beside its output and they are all that is wanted, else from q and k.

        Args:
            out_weight: as in `Recorder.record`.

        Raises:
            KeyError, BackendRefused: as `attend`.
        """
        if self.means is not None and self.plan[site].cross is not None:
            out, means = self._attend_groups(site, q, groups, scale=scale, mapped=True)
            self.means.record_means(site, q, means, grid=grid)
            return out
        if self.recorder is not None:
            k, v = groups[0].at(site) if groups[0].rows is None else split_rows(groups, site)
            self.recorder.record(site, q, k, v, scale=scale, grid=grid, out_weight=out_weight)
        return self.attend_ahead(site, q, groups, scale=scale)

    def attend_ahead(
        self, site: str, q: Float[Tensor, "b h n d"], groups: ContextRows, *, scale: float
    ) -> Float[Tensor, "b h n d"]:
        """Attention at `site` to keys and values computed ahead, one call for each length of context.

        Raises:
            KeyError, BackendRefused: as `attend`.
        """
        return self._attend_groups(site, q, groups, scale=scale, mapped=False)[0]

    def _attend_groups(
        self, site: str, q: Tensor, groups: ContextRows, *, scale: float, mapped: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """The output, and with `mapped` the means of each row."""
        if groups[0].rows is None:
            out, means = self._attend_group(site, q, groups[0], scale=scale, mapped=mapped)
            return out, [] if means is None else list(means.unbind())
        b, h, n, d = q.shape
        out = q.new_empty(b, n, h, d).transpose(1, 2)
        found: dict[int, Tensor] = {}
        for group in groups:
            assert group.rows is not None  # a group of all rows is the only one
            part, means = self._attend_group(site, q[group.rows], group, scale=scale, mapped=mapped)
            out.index_copy_(0, group.rows, part)
            if means is not None:
                found.update(zip(group.rows.tolist(), means.unbind(), strict=True))
        return out, [found[row] for row in range(len(found))]

    def _attend_group(
        self, site: str, q: Tensor, group: RowGroup, *, scale: float, mapped: bool
    ) -> tuple[Tensor, Tensor | None]:
        backend = self.plan[site]
        if backend.cross is None:
            return self.attend(site, q, *group.at(site), scale=scale), None
        keys = group.at(site) if group.pages is None else group.pages(site)
        return backend.attend_cross(q, keys, scale=scale, mapped=mapped)
