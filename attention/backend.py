"""The shape every backend has."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limelight.attention.capability import Capability
from limelight.attention.context import KeysValues, Pages
from limelight.attention.spec import AttentionSpec
from limelight.errors import UsageError

Mask = Bool[Tensor, "..."] | Float[Tensor, "..."]  # broadcastable to b h n m


@runtime_checkable
class Run(Protocol):
    """A backend's own function. Its arguments fit each other and its capability; a mask has 4 dimensions."""

    def __call__(
        self,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk m d"],
        v: Float[Tensor, "b hk m d"],
        *,
        mask: Mask | None,
        causal: bool,
        scale: float,
    ) -> Float[Tensor, "b h n d"]: ...


@runtime_checkable
class Cross(Protocol):
    """A backend's own function for cross-attention whose keys may lie in pages, and which gives the maps too.

    Returns: the output, bit for bit the same whether or not the maps are asked for; with `mapped` the mean
        over heads of the probabilities, in float32.
    """

    def __call__(
        self, q: Float[Tensor, "b h n d"], keys: KeysValues | Pages, *, scale: float, mapped: bool
    ) -> tuple[Float[Tensor, "b h n d"], Float[Tensor, "b n m"] | None]: ...


class BackendRefused(UsageError):
    """No backend, or not the one asked for, can run this attention call."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backend:
    """One way to compute attention.

    Three questions, each answered in words: can this machine ever run it (`missing`), does it run this call
    (`refusals`), and is another one faster for this call (`drawback`).

    Args:
        run: the computation itself; call `attend`, which checks what `run` takes for granted.
        missing: why this machine can never run it (package, driver), or None when it can.
        drawback: why an automatic choice takes another backend for a spec that it can run, or None.
        cross: cross-attention to keys in pages, and with its maps; None where it can do neither.
        kernel_of: what really runs for a spec that it accepts; by default the backend's own name.
    """

    name: str
    capability: Capability = field(repr=False)
    run: Run = field(repr=False)
    missing: Callable[[], str | None] = field(default=lambda: None, repr=False)
    drawback: Callable[[AttentionSpec], str | None] = field(default=lambda spec: None, repr=False)
    cross: Cross | None = field(default=None, repr=False)
    kernel_of: Callable[[AttentionSpec], str] | None = field(default=None, repr=False)

    def refusals(self, spec: AttentionSpec) -> list[str]:
        """Every reason this backend cannot run `spec` here; empty means it can."""
        reason = self.missing()
        return [reason] if reason else self.capability.refusals(spec)

    def kernel(self, spec: AttentionSpec) -> str:
        """The kernel that really runs for `spec`: "math", "flash", "efficient", "cudnn", ..."""
        return self.name if self.kernel_of is None else self.kernel_of(spec)

    def attend(
        self,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk m d"],
        v: Float[Tensor, "b hk m d"],
        *,
        mask: Mask | None = None,
        causal: bool = False,
        scale: float | None = None,
    ) -> Float[Tensor, "b h n d"]:
        """As `attention.attend`, by this backend or not at all.

        Raises:
            BackendRefused: the call is outside the backend's capability.
            ValueError: the tensors do not fit each other.
        """
        self.check(AttentionSpec.of(q, k, v, mask=mask, causal=causal))
        return self.attend_checked(q, k, v, mask=mask, causal=causal, scale=scale)

    def check(self, spec: AttentionSpec) -> None:
        """Raises BackendRefused where `spec` is outside the backend's capability."""
        if reasons := self.capability.refusals(spec):
            raise BackendRefused(refused(self.name, reasons, spec))

    def attend_checked(
        self,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk m d"],
        v: Float[Tensor, "b hk m d"],
        *,
        mask: Mask | None,
        causal: bool,
        scale: float | None,
    ) -> Float[Tensor, "b h n d"]:
        """As `attend`, for a call whose spec has been checked."""
        if mask is not None:
            mask = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
            mask = mask if mask.dtype == torch.bool else mask.to(q.dtype)
        return self.run(
            q, k, v, mask=mask, causal=causal, scale=q.shape[3] ** -0.5 if scale is None else scale
        )


def refused(name: str, reasons: list[str], spec: AttentionSpec) -> str:
    return f"{name} cannot run this attention: {'; '.join(reasons)}\n  {spec}"
