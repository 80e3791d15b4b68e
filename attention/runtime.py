"""How a model computes attention: a backend for each site, and the recorder of one call."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.context import ContextRows, KeysValues, Pages, one_row, parted, split_rows
from limelight.attention.spec import AttentionSpec
from limelight.attention.steering import Lent, Steerings, attend_biased, calls_of

RowByRow = Float[Tensor, "b hk m d"] | Sequence[Float[Tensor, "hk _ d"]]  # rows may differ in length


@runtime_checkable
class Recorder(Protocol):
    """Records attention calls without changing their arguments.

    It gets each site once per call of the model. `grid` is the arrangement of the queries, as the model gives
    it.
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
        """Records a cross-attention site, before its attention is computed.

        Args:
            out_weight: weight of the output projection, whose input is the concatenated heads.
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
        """Records a self-attention site, before its attention is computed."""


@runtime_checkable
class MeanRecorder(Protocol):
    """As `Recorder`, for backends that compute the maps of cross-attention together with its output."""

    def record_means(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        means: Sequence[Float[Tensor, "n _"]],
        *,
        grid: tuple[int, int],
    ) -> None:
        """Records a cross-attention site.

        Args:
            means: for each row, the mean of the probabilities over heads, in float32.
        """


@dataclass(frozen=True, slots=True)
class AttentionRuntime:
    """One backend per site, and the recorder of the call.

    A plan is made once for each size of picture. `dataclasses.replace` makes the runtime of one call, with
    its contexts and its recorder.

    Args:
        context: keys and values of cross-attention, computed before the call; if None, they are projected
            from the context that the model is given.
        means: records cross-attention instead of `recorder` where a backend computes the maps itself.
        steering: for each row of the call, its steering; empty steers no row.
        accepted: shapes of calls that their backend has accepted; copies made by `replace` share this set.
    """

    plan: Mapping[str, Backend]
    recorder: Recorder | None = None
    context: ContextRows | None = None
    means: MeanRecorder | None = None
    steering: Steerings = ()
    accepted: set[Hashable] = field(default_factory=set, repr=False, compare=False)

    def attend_self(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk n d"],
        v: Float[Tensor, "b hk n d"],
        inverse: Int[Tensor, " rows"] | None = None,
        *,
        scale: float,
        grid: tuple[int, int],
    ) -> Float[Tensor, "b h n d"]:
        """Self-attention at `site`, recorded where there is a recorder.

        Args:
            inverse: if equal rows are computed once, the row of this call that each recorded row equals, as
                `torch.unique(..., return_inverse=True)` returns it; None if the rows are those recorded.

        Raises:
            KeyError: the plan has no such site.
            BackendRefused: the call differs from the plan, and the backend cannot run it.
            ValueError: the tensors do not fit each other.
        """
        if self.recorder is not None:
            all_q, all_k = (q, k) if inverse is None else (q[inverse], k[inverse])
            self.recorder.record_self(site, all_q, all_k, scale=scale, grid=grid)
        if not any(steering is not None and steering.acts_at(site) for steering in self.steering):
            return self._attend(self.plan[site], q, (k, v), scale=scale)[0]
        row_of = list(range(len(q))) if inverse is None else inverse.tolist()
        return self._attend_steered(site, q, k, v, row_of, scale=scale)

    def _attend_steered(
        self, site: str, q: Tensor, k: Tensor, v: Tensor, row_of: list[int], *, scale: float
    ) -> Float[Tensor, "b h n d"]:
        """Self-attention at a site where rows are steered.

        Args:
            row_of: for each row of the call, its row in `q`.
        """
        firsts = [row_of.index(row) for row in range(len(q))]
        acting = {row: s for row, first in enumerate(firsts) if (s := self.steering[first]) is not None}
        skipped = [row for row, s in acting.items() if s.skip.get(site) == "values"]
        blurred = [row for row, s in acting.items() if s.skip.get(site) == "blur"]
        lent = {
            row: row_of[firsts[row] + s.lend.row] for row, s in acting.items() if s.lend and s.lends(site)
        }
        plain = [row for row in range(len(q)) if row not in skipped and row not in blurred]
        looking = torch.tensor([lent.get(row, row) for row in plain], device=q.device)
        is_whole = len(plain) == len(q)
        out = torch.empty_like(q)
        if is_whole and not lent:
            out = self._attend(self.plan[site], q, (k, v), scale=scale)[0]
        elif plain:
            values = v if is_whole else v[plain]
            out[plain] = self._attend(self.plan[site], q[looking], (k[looking], values), scale=scale)[0]
        for row in blurred:
            one = slice(row, row + 1)
            mean = q[one].mean(2, keepdim=True)
            out[one] = self._attend(self.plan[site], mean, (k[one], v[one]), scale=scale)[0]
        for row in skipped:
            out[row] = v[row].repeat_interleave(q.shape[1] // v.shape[1], 0)
        if any(site in s.heads for s in acting.values()):
            scales = out.new_ones(len(q), q.shape[1], 1, 1)
            for row, s in acting.items():
                if site in s.heads:
                    scales[row] = s.heads[site].to(scales)[:, None, None]
            out = out * scales
        return out

    def kinds(self, site: str) -> list[int]:
        """A number for each row: rows with equal inputs and equal numbers have equal outputs of
        self-attention at a site. Empty if all numbers are equal."""
        acting = [s if s is not None and s.acts_at(site) else None for s in self.steering]
        if not any(acting):
            return []
        alike = [
            None if s is None else (id(s), row if s.lends(site) else None) for row, s in enumerate(acting)
        ]
        return [alike.index(each) for each in alike]

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
        """Cross-attention at `site`: one backend call for each length of context, and for each steered row.

        The recorder gets q and k. If it needs only means over heads, and the backend computes them with its
        output, `means` gets those instead.

        Args:
            out_weight: as in `Recorder.record`.

        Raises:
            KeyError, BackendRefused, ValueError: as `attend_self`.
        """
        backend = self.plan[site]
        mean_recorder = None if backend.cross is None or any(self.steering) else self.means
        if self.recorder is not None and mean_recorder is None:
            k, v = groups[0].at(site) if groups[0].rows is None else split_rows(groups, site)
            self.recorder.record(site, q, k, v, scale=scale, grid=grid, out_weight=out_weight)
        if not any(self.steering):
            return self._attend_rows(site, q, groups, scale=scale, grid=grid, means=mean_recorder)
        b, h, n, d = q.shape
        plain, steered = parted(groups, [steering is not None for steering in self.steering])
        if plain:
            out = self._attend_rows(site, q, plain, scale=scale, grid=grid)
            out = out.clone() if out.requires_grad else out  # a backward pass needs it as it was
        else:
            out = q.new_empty(b, n, h, d).transpose(1, 2)
        for rows in calls_of(self.steering, steered, site):
            some = [row for row, _ in rows]
            chosen = [s for row in some if (s := self.steering[row]) is not None]
            k, v = (
                torch.cat(x) if len(rows) > 1 else x[0] for x in zip(*(kv for _, kv in rows), strict=True)
            )
            if len(rows) > 1:
                biases = [s.bias for s in chosen if s.bias is not None]
                found = attend_biased(biases, backend, q[some], k, v, scale=scale, grid=grid)
                parts = [s.scaled(site, each) for s, each in zip(chosen, found.split(1), strict=True)]
                out[some] = torch.cat(parts)
                continue
            (row,) = some
            one, lent = slice(row, row + 1), self._lent(site, row, q, groups)
            out[one] = chosen[0].attend_cross(backend, site, q[one], k, v, lent, scale=scale, grid=grid)
        return out

    def _lent(self, site: str, row: int, q: Tensor, groups: ContextRows) -> Lent | None:
        """What the row that another row looks like has at a cross-attention site."""
        steering = self.steering[row]
        if steering is None or steering.lend is None or steering.lend.values is None:
            return None
        other = row + steering.lend.row
        k, _ = one_row(groups, other)(site)
        return Lent(q[other : other + 1], k, self.steering[other])

    def _attend_rows(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        groups: ContextRows,
        *,
        scale: float,
        grid: tuple[int, int],
        means: MeanRecorder | None = None,
    ) -> Float[Tensor, "b h n d"]:
        """The output at the rows of `groups`; its other rows, if any, are undefined."""
        backend = self.plan[site]
        found_means: dict[int, Tensor] = {}
        b, h, n, d = q.shape
        out = None if groups[0].rows is None else q.new_empty(b, n, h, d).transpose(1, 2)
        for group in groups:
            keys = group.at(site) if backend.cross is None or group.pages is None else group.pages(site)
            q_rows = q if group.rows is None else q[group.rows]
            part, found = self._attend(backend, q_rows, keys, scale=scale, with_means=means is not None)
            out = part if out is None or group.rows is None else out.index_copy_(0, group.rows, part)
            if found is not None:
                rows = range(len(part)) if group.rows is None else group.rows.tolist()
                found_means.update(zip(rows, found.unbind(), strict=True))
        assert out is not None  # there is at least one group
        if means is not None:
            means.record_means(site, q, [found_means[row] for row in range(len(q))], grid=grid)
        return out

    def _attend(
        self,
        backend: Backend,
        q: Float[Tensor, "b h n d"],
        keys: KeysValues | Pages,
        *,
        scale: float,
        with_means: bool = False,
    ) -> tuple[Float[Tensor, "b h n d"], Float[Tensor, "b n m"] | None]:
        """The output of a backend, and with `with_means` the mean of the probabilities over heads."""
        if torch.compiler.is_compiling():  # a graph that read the set would be compiled again as it grows
            check_call(backend, q, keys)
        elif (shape := call_shape(backend, q, keys)) not in self.accepted:
            check_call(backend, q, keys)
            self.accepted.add(shape)
        if backend.cross is not None:
            return backend.cross(q, keys, scale=scale, mapped=with_means)
        assert not isinstance(keys, Pages)  # only `cross` reads pages
        return backend.run(q, *keys, mask=None, causal=False, scale=scale), None


def check_call(backend: Backend, q: Tensor, keys: KeysValues | Pages) -> None:
    """Raises what `Backend.attend` raises for a call that it refuses."""
    k, v = keys.shaped(len(q)) if isinstance(keys, Pages) else keys
    backend.check(AttentionSpec.of(q, k, v))


def call_shape(backend: Backend, q: Tensor, keys: KeysValues | Pages) -> Hashable:
    """Everything that decides whether a backend accepts a call; cheaper to make than an `AttentionSpec`."""
    if isinstance(keys, Pages):
        k, v, paged = keys.k, keys.v, (keys.blocks.shape, keys.length)
    else:
        (k, v), paged = keys, None
    needs_grad = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    shapes, dtypes = (q.shape, k.shape, v.shape), (q.dtype, k.dtype, v.dtype)
    return backend, shapes, dtypes, (q.device, k.device, v.device), needs_grad, paged
