"""Declares what a backend can run, and gives a reason in words for everything else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch

from limelight.attention.spec import AttentionSpec, MaskKind

HALF = frozenset({torch.float16, torch.bfloat16})
FLOATS = HALF | {torch.float32, torch.float64}
ANY_DEVICE = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a backend accepts on one type of device.

    Args:
        causal: "square" allows only as many queries as keys.
        causal_with_mask: whether a call may have both.
        grad_with_mask: whether gradients are computed in a call with a mask, also for the mask.
        max_head_dim_with_grad: the limit of the backward kernel, if it is lower than `max_head_dim`.
        max_keys: the most keys of a query.
        dtype_compute_capability: the oldest GPU for a dtype, if it differs from the oldest for all.
    """

    dtypes: frozenset[torch.dtype]
    max_head_dim: int | None = None
    max_head_dim_with_grad: int | None = None
    head_dim_multiple: int = 1
    max_keys: int | None = None
    masks: frozenset[MaskKind] = frozenset({"bool", "additive"})
    causal: Literal["no", "square", "any"] = "any"
    causal_with_mask: bool = True
    grouped_heads: bool = True
    grad: bool = True
    grad_with_mask: bool = True
    min_compute_capability: tuple[int, int] | None = None
    dtype_compute_capability: Mapping[torch.dtype, tuple[int, int]] = field(default_factory=dict)

    def refusals(self, spec: AttentionSpec) -> list[str]:
        """Every reason why these limits exclude `spec`, its device aside; empty if they do not."""
        return [reason for reason in (*self._of_numbers(spec), *self._of_structure(spec)) if reason]

    def _of_numbers(self, spec: AttentionSpec) -> Iterable[str | None]:
        if spec.dtype not in self.dtypes:
            yield f"dtype is {spec.dtype}; needs {_either(self.dtypes)}"
        if self.max_head_dim is not None and spec.head_dim > self.max_head_dim:
            yield f"head_dim is {spec.head_dim}; at most {self.max_head_dim}"
        elif (
            spec.needs_grad
            and self.max_head_dim_with_grad is not None
            and spec.head_dim > self.max_head_dim_with_grad
        ):
            yield f"head_dim is {spec.head_dim}; at most {self.max_head_dim_with_grad} with gradients"
        if spec.head_dim % self.head_dim_multiple:
            yield f"head_dim is {spec.head_dim}; must be a multiple of {self.head_dim_multiple}"
        if self.max_keys is not None and spec.num_keys > self.max_keys:
            yield f"num_keys is {spec.num_keys}; at most {self.max_keys}"
        yield _too_old("", spec, self.min_compute_capability)
        yield _too_old(f" for {spec.dtype}", spec, self.dtype_compute_capability.get(spec.dtype))

    def _of_structure(self, spec: AttentionSpec) -> Iterable[str | None]:
        if spec.mask is not None and spec.mask not in self.masks:
            yield f"mask is {spec.mask}; takes {_either(self.masks) or 'no mask'}"
        if spec.causal and self.causal == "no":
            yield "causal; cannot be"
        if spec.causal and self.causal == "square" and spec.num_queries != spec.num_keys:
            yield f"causal with {spec.num_queries} queries and {spec.num_keys} keys; needs equally many"
        if spec.causal and spec.mask is not None and not self.causal_with_mask:
            yield "causal together with a mask; takes one of the two"
        if spec.is_grouped and not self.grouped_heads:
            yield f"{spec.num_heads} query heads share {spec.num_kv_heads} key heads; needs equally many"
        if spec.needs_grad and not self.grad:
            yield "a gradient is needed; computes none"
        elif spec.needs_grad and spec.mask is not None and not self.grad_with_mask:
            yield "a gradient is needed with a mask; computes one only without"


@dataclass(frozen=True, slots=True)
class Capability:
    """What a backend accepts, by type of device. `ANY_DEVICE` stands for every type that is not named."""

    devices: Mapping[str, Limits]

    def refusals(self, spec: AttentionSpec) -> list[str]:
        """Every reason why the backend cannot run `spec`; empty if it can."""
        limits = self.devices.get(spec.device) or self.devices.get(ANY_DEVICE)
        if limits is None:
            return [f"device is {spec.device}; needs {_either(self.devices)}"]
        return limits.refusals(spec)


def _too_old(what: str, spec: AttentionSpec, need: tuple[int, int] | None) -> str | None:
    have = spec.compute_capability
    if need is None or have is None or have >= need:
        return None
    return f"GPU compute capability is {have[0]}.{have[1]}; needs {need[0]}.{need[1]} or newer{what}"


def _either(items: Iterable[object]) -> str:
    return " or ".join(sorted(str(item) for item in items))
