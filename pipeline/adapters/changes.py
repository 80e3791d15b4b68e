"""The changes that an adapter makes to one weight: low-rank, Hadamard or Kronecker products, or a new length.

Every change knows the shape of its weight, and computes what is added to it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Change(Protocol):
    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of its weight, without a 1x1 kernel; None if its factors do not fit together."""

    def delta(self, original: Tensor) -> Tensor:
        """The change that is added to `original`, the model's own weight in float32, on the same device."""


@dataclass(frozen=True, slots=True)
class LowRank:
    """LoRA: (alpha / r) B A.

    Attributes:
        down: A, the weight of a layer with `rank` outputs.
        up: B, which maps these to the outputs of the changed layer.
        mid: the kernel between both, for convolutions in Tucker form (LoCon).
        scale: alpha / rank.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
    """

    down: Tensor
    up: Tensor
    mid: Tensor | None
    scale: float

    @property
    def shape(self) -> tuple[int, ...] | None:
        mid = self.down if self.mid is None else self.mid
        if any(factor.ndim < 2 or factor.numel() == 0 for factor in (self.up, self.down, mid)):
            return None
        inner = self.down.shape[0] if self.mid is None else self.mid.shape[1]
        if self.up.shape[1] != mid.shape[0] or inner != self.down.shape[0] or self.up[0, 0].numel() != 1:
            return None
        return without_ones((self.up.shape[0], self.down.shape[1], *mid.shape[2:]))

    def delta(self, original: Tensor) -> Tensor:
        up, down = (factor.to(original).flatten(1) for factor in (self.up, self.down))
        if self.mid is None:
            product = up @ down
        else:
            product = torch.einsum("oi,ij...,jk->ok...", up, self.mid.to(original), down)
        return self.scale * product.reshape(original.shape)


@dataclass(frozen=True, slots=True)
class Hadamard:
    """LoHa: the elementwise product of two low-rank matrices.

    Attributes:
        factors: (a, b) for each matrix a b; with `cores`, the outer factors of the kernel's Tucker form.
        cores: rank rank h w for each matrix; empty for layers other than convolutions.

    Source: Hyeon-Woo et al. 2022, arXiv:2108.06098, proposition 1 and section 2.2; LyCORIS for the names.
    """

    factors: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    cores: tuple[Tensor, Tensor] | None
    scale: float

    @property
    def shape(self) -> tuple[int, ...] | None:
        shapes = {self._shape_of(i) for i in (0, 1)}
        return shapes.pop() if len(shapes) == 1 else None

    def _shape_of(self, i: int) -> tuple[int, ...] | None:
        a, b = self.factors[i]
        if a.ndim != 2 or b.ndim != 2 or 0 in (*a.shape, *b.shape):
            return None
        if self.cores is None:
            return (a.shape[0], b.shape[1]) if a.shape[1] == b.shape[0] else None
        core = self.cores[i]
        if core.ndim < 3 or core.shape[:2] != (a.shape[0], b.shape[0]) or core.numel() == 0:
            return None
        return without_ones((a.shape[1], b.shape[1], *core.shape[2:]))

    def delta(self, original: Tensor) -> Tensor:
        first, second = (self._product(i, original) for i in (0, 1))
        return self.scale * (first * second).reshape(original.shape)

    def _product(self, i: int, original: Tensor) -> Tensor:
        a, b = (factor.to(original) for factor in self.factors[i])
        if self.cores is None:
            return a @ b
        return torch.einsum("ij...,io,jk->ok...", self.cores[i].to(original), a, b)


@dataclass(frozen=True, slots=True)
class Kronecker:
    """LoKr: the Kronecker product of two matrices, each of which may be a product of two.

    Attributes:
        first, second: (matrix,), or (a, b) for a b.
        core: rank rank h w, if the second is a kernel in Tucker form.

    Source: Yeh et al. 2024, arXiv:2309.14859, section 3.3.
    """

    first: tuple[Tensor, ...]
    second: tuple[Tensor, ...]
    core: Tensor | None
    scale: float

    @property
    def shape(self) -> tuple[int, ...] | None:
        one, other = _shape_of(self.first, None), _shape_of(self.second, self.core)
        if one is None or other is None or len(one) != 2:
            return None
        return without_ones((one[0] * other[0], one[1] * other[1], *other[2:]))

    def delta(self, original: Tensor) -> Tensor:
        one, other = _product(self.first, None, original), _product(self.second, self.core, original)
        one = one.reshape(*one.shape, *[1] * (other.ndim - 2))
        return self.scale * torch.kron(one, other).reshape(original.shape)


def _shape_of(factors: Sequence[Tensor], core: Tensor | None) -> tuple[int, ...] | None:
    if any(factor.ndim < 2 or factor.numel() == 0 for factor in factors):
        return None
    if len(factors) == 1:
        return tuple(factors[0].shape)
    a, b = factors
    if a.ndim != 2 or b.ndim != 2:
        return None
    if core is None:
        return (a.shape[0], b.shape[1]) if a.shape[1] == b.shape[0] else None
    fits = core.ndim > 2 and core.shape[:2] == (a.shape[0], b.shape[0])
    return (a.shape[1], b.shape[1], *core.shape[2:]) if fits else None


def _product(factors: Sequence[Tensor], core: Tensor | None, original: Tensor) -> Tensor:
    if len(factors) == 1:
        return factors[0].to(original)
    a, b = (factor.to(original) for factor in factors)
    return a @ b if core is None else torch.einsum("ij...,io,jk->ok...", core.to(original), a, b).contiguous()


@dataclass(frozen=True, slots=True)
class Decomposed:
    """DoRA: the changed weights, rescaled to learned lengths.

    Attributes:
        magnitude: the length for each output, or for each input.
        of_inputs: whether there is a length for each input, as in the paper; otherwise there is one for each
            output, as in PEFT.

    Source: Liu et al. 2024, arXiv:2402.09353, equation 5.
    """

    change: "LowRank | Hadamard | Kronecker"
    magnitude: Tensor
    of_inputs: bool

    @property
    def shape(self) -> tuple[int, ...] | None:
        shape = self.change.shape
        return shape if shape is None or self._count(shape) == self.magnitude.numel() else None

    def _count(self, shape: Sequence[int]) -> int:
        return shape[1] if self.of_inputs else shape[0]

    def delta(self, original: Tensor) -> Tensor:
        changed = original + self.change.delta(original)
        axis = 1 if self.of_inputs else 0
        others = [i for i in range(changed.ndim) if i != axis]
        shape = [-1 if i == axis else 1 for i in range(changed.ndim)]
        length = torch.linalg.vector_norm(changed, dim=others, keepdim=True).clamp(min=1e-12)
        return changed * (self.magnitude.to(original).reshape(shape) / length) - original


@dataclass(frozen=True, slots=True)
class BiasShift:
    """The change to a layer's bias by a LoRA whose factors have biases: (alpha / r) (B a + b).

    Attributes:
        up: B.
        down_bias: a, or None.
        up_bias: b, or None.
    """

    up: Tensor
    down_bias: Tensor | None
    up_bias: Tensor | None
    scale: float

    @property
    def shape(self) -> tuple[int, ...] | None:
        if self.up.ndim < 2 or (self.down_bias is not None and self.down_bias.shape != self.up.shape[1:2]):
            return None
        if self.up_bias is not None and self.up_bias.shape != self.up.shape[:1]:
            return None
        return (self.up.shape[0],)

    def delta(self, original: Tensor) -> Tensor:
        total = torch.zeros_like(original)
        if self.down_bias is not None:
            total += self.up.to(original).flatten(1) @ self.down_bias.to(original)
        if self.up_bias is not None:
            total += self.up_bias.to(original)
        return self.scale * total


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a weight; a 1x1 convolution has that of the equal linear layer."""
    return shape[:2] if all(size == 1 for size in shape[2:]) else shape


def fits(change: Change, weight: Sequence[int]) -> bool:
    """Whether a change fits a weight of this shape. A Hadamard or Kronecker product may join inputs and
    kernel in one dimension."""
    shape, expected = change.shape, without_ones(tuple(weight))
    if shape == expected:
        return True
    inner = change.change if isinstance(change, Decomposed) else change
    is_flat = isinstance(inner, Hadamard | Kronecker) and shape is not None and len(shape) == 2
    return is_flat and shape == (expected[0], math.prod(expected[1:]))
