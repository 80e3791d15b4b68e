"""A description of one attention call without its tensors."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MaskKind = Literal["bool", "additive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionSpec:
    """The properties of one attention call that decide which backends can run it.

    It holds no tensors, so rules about any hardware can be tested on a CPU.

    Args:
        device: the type of the device: "cpu", "cuda", "mps".
        num_kv_heads: key and value heads; 0 means as many as `num_heads`. Fewer is grouped-query attention,
            1 is multi-query attention. Query head i reads key head i // (num_heads // num_kv_heads).
        mask: "bool" (True takes part) or "additive" (added to the scaled scores).
        causal: the last query sees every key, and each query sees one key fewer than the next.
        needs_grad: whether q, k, v or the mask needs a gradient.
        compute_capability: of a CUDA device; None if unknown, and then nothing is refused for it.

    Raises:
        ValueError: a size is not positive, or the heads do not divide.
    """

    device: str
    dtype: torch.dtype
    head_dim: int
    num_queries: int
    num_keys: int
    batch: int = 1
    num_heads: int = 1
    num_kv_heads: int = 0
    mask: MaskKind | None = None
    causal: bool = False
    needs_grad: bool = False
    compute_capability: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.num_kv_heads == 0:
            object.__setattr__(self, "num_kv_heads", self.num_heads)
        for name in ("head_dim", "num_queries", "num_keys", "batch", "num_heads", "num_kv_heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; must be at least 1")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"{self.num_heads} query heads cannot share {self.num_kv_heads} key heads evenly; "
                "the number of query heads must be a multiple of the number of key heads"
            )
        if self.mask is not None and self.mask not in get_args(MaskKind):
            raise ValueError(f"mask is {self.mask!r}; must be None, 'bool' or 'additive'")

    @property
    def is_grouped(self) -> bool:
        return self.num_kv_heads != self.num_heads

    @classmethod
    def of(
        cls,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk m d"],
        v: Float[Tensor, "b hk m d"],
        *,
        mask: Bool[Tensor, "..."] | Float[Tensor, "..."] | None = None,
        causal: bool = False,
    ) -> "AttentionSpec":
        """The spec of a call with these tensors.

        Raises:
            ValueError: the tensors do not fit each other.
        """
        _check_shapes(q, k, v)
        if mask is not None:
            _check_mask(mask, q, num_keys=k.shape[2])
        tensors = (q, k, v) if mask is None else (q, k, v, mask)
        return cls(
            device=q.device.type,
            dtype=q.dtype,
            head_dim=q.shape[3],
            num_queries=q.shape[2],
            num_keys=k.shape[2],
            batch=q.shape[0],
            num_heads=q.shape[1],
            num_kv_heads=k.shape[1],
            mask=None if mask is None else "bool" if mask.dtype == torch.bool else "additive",
            causal=causal,
            needs_grad=torch.is_grad_enabled() and any(x.requires_grad for x in tensors),
            compute_capability=torch.cuda.get_device_capability(q.device) if q.is_cuda else None,
        )


def _check_shapes(q: Tensor, k: Tensor, v: Tensor) -> None:
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ValueError(f"q, k, v have {q.ndim}, {k.ndim}, {v.ndim} dimensions; each needs 4: b h n d")
    if k.shape != v.shape:
        raise ValueError(f"k is {tuple(k.shape)} and v {tuple(v.shape)}; must be equal")
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ValueError(f"q is {tuple(q.shape)} and k {tuple(k.shape)}; batch and head_dim must be equal")
    if not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"q, k, v are {q.dtype}, {k.dtype}, {v.dtype}; must be equal")
    if not q.device == k.device == v.device:
        raise ValueError(f"q, k, v are on {q.device}, {k.device}, {v.device}; must be the same device")


def _check_mask(mask: Tensor, q: Tensor, num_keys: int) -> None:
    if mask.dtype not in (torch.bool, torch.float32, q.dtype):
        raise ValueError(f"mask is {mask.dtype}; must be torch.bool, torch.float32 or q's {q.dtype}")
    if mask.device != q.device:
        raise ValueError(f"mask is on {mask.device} and q on {q.device}; must be the same device")
    full = (*q.shape[:3], num_keys)
    fits = mask.ndim <= 4 and all(
        have in (1, need) for have, need in zip(reversed(mask.shape), reversed(full), strict=False)
    )
    if not fits:
        raise ValueError(f"mask is {tuple(mask.shape)}; must broadcast to b h n m = {full}")
