"""The interface of every backend."""

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
    """A backend's own function. Its arguments have been checked; a mask has 4 dimensions."""

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
    """A backend's own function for cross-attention. It reads keys in pages, and can return maps as well.

    Returns: the output, which has the same bits with and without `mapped`; with `mapped`, also the mean of
        the probabilities over heads, in float32.
    """

    def __call__(
        self, q: Float[Tensor, "b h n d"], keys: KeysValues | Pages, *, scale: float, mapped: bool
    ) -> tuple[Float[Tensor, "b h n d"], Float[Tensor, "b n m"] | None]: ...


class BackendRefused(UsageError):
    """The ordered backend, or every backend, cannot run this attention call."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Backend:
    """One implementation of attention.

    It answers three questions in words. Can this machine ever run it (`missing`)? Can it run this call
    (`refusals`)? Is another backend faster for this call (`drawback`)?

    Args:
        run: the computation itself; callers use `attend`, which checks the arguments first.
        missing: why this machine can never run it (package, driver), or None when it can.
        drawback: why the automatic choice takes another backend for a spec that this one can run, or None.
        cross: cross-attention to keys in pages and with maps; None if the backend can do neither.
        kernel_of: the kernel that runs for an accepted spec; by default the backend's own name.
    """

    name: str
    capability: Capability = field(repr=False)
    run: Run = field(repr=False)
    missing: Callable[[], str | None] = field(default=lambda: None, repr=False)
    drawback: Callable[[AttentionSpec], str | None] = field(default=lambda spec: None, repr=False)
    cross: Cross | None = field(default=None, repr=False)
    kernel_of: Callable[[AttentionSpec], str] | None = field(default=None, repr=False)

    def refusals(self, spec: AttentionSpec) -> list[str]:
        """Every reason why this backend cannot run `spec` here; empty if it can."""
        reason = self.missing()
        return [reason] if reason else self.capability.refusals(spec)

    def kernel(self, spec: AttentionSpec) -> str:
        """The kernel that runs for `spec`: "math", "flash", "efficient", "cudnn", ..."""
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
        """As `attention.attend`, by this backend only.

        Raises:
            BackendRefused: the call is outside the backend's capability.
            ValueError: the tensors do not fit each other.
        """
        self.check(AttentionSpec.of(q, k, v, mask=mask, causal=causal))
        return self.attend_checked(q, k, v, mask=mask, causal=causal, scale=scale)

    def check(self, spec: AttentionSpec) -> None:
        """Raises BackendRefused if `spec` is outside the backend's capability."""
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
