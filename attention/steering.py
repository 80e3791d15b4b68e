"""Steers one row of an attention call. Every edit is written as ordinary attention, so any backend can run it
and none has to write its probabilities out.

Symbols: P the probabilities, n m; V the values, m d.

| edit | explicit | as ordinary attention |
|---|---|---|
| bias | softmax(scale Q KT + region strengthT) V | more head dims: region / scale in Q, strength in K |
| tokens | P diag(c) V | P (diag(c) V) |
| heads | (c P) V | c (P V) |
| groups | sum_i diag(w_i) P_i V_i | one more call for each |
| lend | P_other M V | a call with the other row's Q and K, and with M V |
| skip | V, or softmax(scale mean(Q) KT) V | V itself, or a call with one query |
| sparse | ((1 - s) P + s entmax(scores)) V | a call, and the sparse part some queries at a time |
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.attention.backend import Backend, BackendRefused, refused
from limelight.attention.context import KeysValues
from limelight.attention.entmax import attend_entmax
from limelight.attention.spec import AttentionSpec

Grid = tuple[int, int]  # height, width in positions
Skip = Literal["values", "blur"]  # each position gets its own value, or what the mean query sees

# Kernels read heads in pieces of this size: 41 dims take longer than 48.
_DIMS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Bias:
    """Numbers added to the scores before the softmax: sum_r region[n, r] strength[m, r].

    Args:
        region: grid -> the fraction of each position that lies in each region, 0 to 1.
        strength: the number added for each key in each region, in nats: log 20 multiplies its weight by 20.
    """

    region: Callable[[Grid], Float[Tensor, "n r"]]
    strength: Float[Tensor, "m r"]

    def scores(self, grid: Grid) -> Float[Tensor, "n m"]:
        return self.region(grid).float() @ self.strength.float().mT


@dataclass(frozen=True, slots=True, eq=False)
class KeyGroup:
    """Additional keys and values, whose output is added.

    Args:
        at: site -> keys and values, 1 hk m d.
        weight: grid -> the factor of its output at each position.
    """

    at: Callable[[str], KeysValues]
    weight: Callable[[Grid], Float[Tensor, " n"]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lend:
    """Another row of the call whose queries and keys are used: the picture that an edit keeps.

    Args:
        row: which it is, counted from the row that it is lent to: -1 is the row before it.
        values: the own values as the lent keys have them, one row for each of their tokens; None lends
            nothing at cross-attention.
        keeps_own: whether the row's own cross-attention is added; `Steering.tokens` scales its values.
        sites: of self-attention, where the row looks as the other does, at its own values.

    Source: Hertz et al. 2022, arXiv:2208.01626, equations 5 and 6, with `values` for their maps of tokens.
    """

    row: int
    values: Float[Tensor, "m_lent m"] | None = None
    keeps_own: bool = False
    sites: frozenset[str] = frozenset()
    _mapped: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def mapped(self, site: str, v: Float[Tensor, "1 hk m d"]) -> Float[Tensor, "1 hk m_lent d"]:
        """`values` of the row's own values at a site. Those of a prompt are the same in every step, so the
        product is kept."""
        assert self.values is not None, "it lends no cross-attention"
        own, mapped = self._mapped.get(site, (None, None))
        if own is None or mapped is None or own.data_ptr() != v.data_ptr() or own.dtype != v.dtype:
            own, mapped = v, self.values.to(v) @ v
            self._mapped[site] = own, mapped  # `own` is kept, so that its memory cannot become another's
        return mapped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steering:
    """The changes to one row of a model's calls. The defaults change nothing.

    Args:
        bias: added to the scores of cross-attention.
        lend: another row of the call, whose attention this row uses.
        tokens: scale of each token's values at cross-attention; the probabilities do not change.
        weight: grid -> the factor of the output of the row's own context; None means 1.
        groups: other contexts, whose outputs are added.
        heads: site -> scale of each head's output; sites that are missing have scale 1.
        skip: self-attention site -> what replaces its attention.
        sparse: interpolates cross-attention between softmax (0) and entmax (1); above 1 it extrapolates.
    """

    bias: Bias | None = None
    lend: Lend | None = None
    tokens: Float[Tensor, " m"] | None = None
    weight: Callable[[Grid], Float[Tensor, " n"]] | None = None
    groups: Sequence[KeyGroup] = ()
    heads: Mapping[str, Float[Tensor, " h"]] = field(default_factory=dict)
    skip: Mapping[str, Skip] = field(default_factory=dict)
    sparse: float = 0.0

    @property
    def is_paint(self) -> bool:
        """Whether a bias is all that it changes of cross-attention, but for the scale of heads."""
        others = (self.lend, self.tokens, self.weight, self.groups or None, self.sparse or None)
        return self.bias is not None and all(each is None for each in others)

    def acts_at(self, site: str) -> bool:
        """Whether it changes the self-attention of a site."""
        return site in self.heads or site in self.skip or self.lends(site)

    def lends(self, site: str) -> bool:
        """Whether self-attention at a site uses the queries and keys of another row."""
        return self.lend is not None and site in self.lend.sites

    def attend_cross(
        self,
        backend: Backend,
        site: str,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        lent: "Lent | None" = None,
        *,
        scale: float,
        grid: Grid,
    ) -> Float[Tensor, "1 h n d"]:
        """The row's output at a cross-attention site.

        Args:
            lent: what the row that `lend` names has there; None where it lends no cross-attention.

        Raises:
            BackendRefused: the backend accepts the bias neither as additional head dims nor as a mask.
        """
        parts = []
        if lent is not None and self.lend is not None and self.lend.values is not None:
            parts.append(lent.attend(backend, self.lend.mapped(site, v), scale=scale, grid=grid))
        if not parts or (self.lend is not None and self.lend.keeps_own):
            own = v if self.tokens is None else v * self.tokens.to(v)[:, None]
            parts.append(_attend(self.bias, self.sparse, backend, q, k, own, scale=scale, grid=grid))
        out = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        if self.weight is not None:
            out = out * self.weight(grid).to(out)[:, None]
        for group in self.groups:
            out = out + backend.attend(q, *group.at(site), scale=scale) * group.weight(grid).to(out)[:, None]
        return self.scaled(site, out)

    def scaled(self, site: str, out: Float[Tensor, "1 h n d"]) -> Float[Tensor, "1 h n d"]:
        """An output with its heads scaled."""
        return out * self.heads[site].to(out)[:, None, None] if site in self.heads else out


@dataclass(frozen=True, slots=True, eq=False)
class Lent:
    """Queries and keys of the row that is lent, with the steering of its scores."""

    q: Float[Tensor, "1 h n d"]
    k: Float[Tensor, "1 hk m d"]
    steering: Steering | None

    def attend(self, backend: Backend, v: Tensor, *, scale: float, grid: Grid) -> Float[Tensor, "1 h n d"]:
        bias, sparse = (None, 0.0) if self.steering is None else (self.steering.bias, self.steering.sparse)
        return _attend(bias, sparse, backend, self.q, self.k, v, scale=scale, grid=grid)


Steerings = Sequence[Steering | None]  # for each row of a call; an empty sequence steers no row


def calls_of(
    steering: Steerings, steered: Sequence[tuple[int, Callable[[str], KeysValues]]], site: str
) -> Iterable[list[tuple[int, KeysValues]]]:
    """Steered rows by calls: those that are painted and have equally many keys share one."""
    calls: dict[Hashable, list[tuple[int, KeysValues]]] = {}
    for row, at in steered:
        kv, own = at(site), steering[row]
        key = kv[0].shape if own is not None and own.is_paint else row
        calls.setdefault(key, []).append((row, kv))
    return calls.values()


def check_bias(backend: Backend, spec: AttentionSpec, rank: int) -> None:
    """Raises BackendRefused if a backend accepts a bias of this rank in neither form.

    Args:
        spec: the call without the bias.
    """
    wide, masked = replace(spec, head_dim=wide_dim(spec.head_dim, rank)), replace(spec, mask="additive")
    _takes_wide(backend, wide, masked)


def wide_dim(head_dim: int, rank: int) -> int:
    """The head dim of a call with a bias of this rank."""
    return -(-(head_dim + rank) // _DIMS) * _DIMS


def _attend(
    bias: Bias | None,
    sparse: float,
    backend: Backend,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    scale: float,
    grid: Grid,
) -> Tensor:
    if bias is None:
        out = backend.attend(q, k, v, scale=scale)
    else:
        out = attend_biased([bias], backend, q, k, v, scale=scale, grid=grid)
    if not sparse:
        return out
    scores = None if bias is None else bias.scores(grid)
    return out + sparse * (attend_entmax(q, k, v, scale=scale, bias=scores) - out)


def attend_biased(
    biases: Sequence[Bias],
    backend: Backend,
    q: Float[Tensor, "b h n d"],
    k: Float[Tensor, "b hk m d"],
    v: Float[Tensor, "b hk m d"],
    *,
    scale: float,
    grid: Grid,
) -> Float[Tensor, "b h n d"]:
    """One call for rows with a bias each.

    Raises:
        BackendRefused: the backend takes them neither in more head dims nor as a mask.
    """
    spec, rank = AttentionSpec.of(q, k, v), max(bias.strength.shape[1] for bias in biases)
    wide, masked = replace(spec, head_dim=wide_dim(spec.head_dim, rank)), replace(spec, mask="additive")
    if not _takes_wide(backend, wide, masked):
        mask = torch.stack([bias.scores(grid) for bias in biases])[:, None]
        return backend.attend_checked(q, k, v, mask=mask, causal=False, scale=scale)
    more = wide.head_dim - spec.head_dim
    q_more, k_more = (
        torch.stack([F.pad(x.float(), (0, more - x.shape[1])) for x in found])[:, None].to(like)
        for found, like in (
            ([bias.region(grid) / scale for bias in biases], q),
            ([bias.strength for bias in biases], k),
        )
    )
    q, k = (torch.cat((x, y.expand(-1, x.shape[1], -1, -1)), -1) for x, y in ((q, q_more), (k, k_more)))
    v = F.pad(v, (0, more))
    return backend.attend_checked(q, k, v, mask=None, causal=False, scale=scale)[..., : spec.head_dim]


def _takes_wide(backend: Backend, wide: AttentionSpec, masked: AttentionSpec) -> bool:
    """Whether a backend gets the bias as additional head dims; otherwise it gets a mask of n m numbers."""
    if not (reasons := backend.capability.refusals(wide)):
        return True
    if more := backend.capability.refusals(masked):
        both = [
            f"a bias takes {wide.head_dim} head dims: {'; '.join(reasons)}",
            f"or a mask: {'; '.join(more)}",
        ]
        raise BackendRefused(refused(backend.name, both, wide))
    return False
