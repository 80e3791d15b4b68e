"""Steers one row of an attention call. Every edit is written as ordinary attention, so any backend can run it
and none has to write its probabilities out.

Symbols: P the probabilities, n m; V the values, m d.

| edit | explicit | as ordinary attention |
|---|---|---|
| bias | softmax(scale Q KT + region strengthT) V | more head dims: region / scale in Q, strength in K |
| tokens | P diag(c) V | P (diag(c) V) |
| heads | (c P) V | c (P V) |
| groups | sum_i diag(w_i) P_i V_i | one more call for each |
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.attention.backend import Backend, BackendRefused, refused
from limelight.attention.context import KeysValues
from limelight.attention.spec import AttentionSpec

Grid = tuple[int, int]  # height, width in positions

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
class Steering:
    """The changes to one row of a model's calls. The defaults change nothing.

    Args:
        bias: added to the scores of cross-attention.
        tokens: scale of each token's values at cross-attention; the probabilities do not change.
        weight: grid -> the factor of the output of the row's own context; None means 1.
        groups: other contexts, whose outputs are added.
        heads: site -> scale of each head's output; sites that are missing have scale 1.
    """

    bias: Bias | None = None
    tokens: Float[Tensor, " m"] | None = None
    weight: Callable[[Grid], Float[Tensor, " n"]] | None = None
    groups: Sequence[KeyGroup] = ()
    heads: Mapping[str, Float[Tensor, " h"]] = field(default_factory=dict)

    def probabilities(
        self, site: str, own: Float[Tensor, "h n m"], grid: Grid, *, is_cross: bool
    ) -> Float[Tensor, "h n m"]:
        """The effective probabilities of the row's own keys: the factors by which values are weighted.

        Args:
            own: softmax of the scores, which include `bias`.
        """
        if is_cross and self.tokens is not None:
            own = own * self.tokens.to(own)
        if is_cross and self.weight is not None:
            own = own * self.weight(grid).to(own)[:, None]
        return own * self.heads[site].to(own)[:, None, None] if site in self.heads else own

    def attend_cross(
        self, backend: Backend, site: str, q: Tensor, k: Tensor, v: Tensor, *, scale: float, grid: Grid
    ) -> Float[Tensor, "1 h n d"]:
        """The row's output at a cross-attention site.

        Raises:
            BackendRefused: the backend accepts the bias neither as additional head dims nor as a mask.
        """
        if self.tokens is not None:
            v = v * self.tokens.to(v)[:, None]
        if self.bias is None:
            out = backend.attend(q, k, v, scale=scale)
        else:
            out = _attend_biased(self.bias, backend, q, k, v, scale=scale, grid=grid)
        if self.weight is not None:
            out = out * self.weight(grid).to(out)[:, None]
        for group in self.groups:
            out = out + backend.attend(q, *group.at(site), scale=scale) * group.weight(grid).to(out)[:, None]
        return self.scaled(site, out)

    def scaled(self, site: str, out: Float[Tensor, "1 h n d"]) -> Float[Tensor, "1 h n d"]:
        """The output with its heads scaled."""
        return out * self.heads[site].to(out)[:, None, None] if site in self.heads else out


Steerings = Sequence[Steering | None]  # for each row of a call; an empty sequence steers no row


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


def _attend_biased(
    bias: Bias, backend: Backend, q: Tensor, k: Tensor, v: Tensor, *, scale: float, grid: Grid
) -> Tensor:
    spec, rank = AttentionSpec.of(q, k, v), bias.strength.shape[1]
    wide, masked = replace(spec, head_dim=wide_dim(spec.head_dim, rank)), replace(spec, mask="additive")
    if not _takes_wide(backend, wide, masked):
        mask = bias.scores(grid)[None, None]
        return backend.attend_checked(q, k, v, mask=mask, causal=False, scale=scale)
    more = wide.head_dim - spec.head_dim
    q_more, k_more = (
        F.pad(x.float(), (0, more - rank)).to(like).expand(*like.shape[:2], -1, -1)
        for x, like in ((bias.region(grid) / scale, q), (bias.strength, k))
    )
    q, k, v = torch.cat((q, q_more), -1), torch.cat((k, k_more), -1), F.pad(v, (0, more))
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
