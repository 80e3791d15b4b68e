"""Latents that a request begins from: tensors from Python, equal where their values are."""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from limelight.pipeline.errors import RequestError

if TYPE_CHECKING:  # checking a request needs no torch
    from torch import Tensor

LatentSource = Any  # a tensor, or InputLatents


@dataclass(frozen=True, slots=True)
class InputLatents:
    """The latents of a request. Two are equal if their values are.

    Attributes:
        values: 1 c h w, float32, on the CPU.
        sha256: of shape and values; stands for them where a request is stored.
    """

    values: "Tensor" = field(compare=False, repr=False)
    sha256: str

    @classmethod
    def read(cls, name: str, source: Any) -> "InputLatents":
        """Reads latents from a tensor 1 c h w; returns `InputLatents` as they are.

        Raises:
            RequestError: the source is no tensor of that shape, or holds NaN or infinity.
        """
        if isinstance(source, InputLatents):
            return source
        if not (hasattr(source, "detach") and hasattr(source, "isfinite")):
            raise RequestError(
                f"{name} is {str(source)[:80]!r}; must be a tensor 1 c h w, such as torch.randn(1, 4, 64, 64)"
            )
        shape = tuple(source.shape)
        if len(shape) != 4 or shape[0] != 1 or not source.is_floating_point():
            raise RequestError(
                f"{name} has the shape {shape} and {source.dtype}; must be 1 c h w of floating point "
                "numbers, one for each request"
            )
        values = source.detach().float().cpu().clone()
        if not bool(values.isfinite().all()):
            raise RequestError(f"{name} has NaN or infinity; must be finite")
        digest = hashlib.sha256(f"latents {shape}\n".encode())
        digest.update(values.numpy().tobytes())
        return cls(values, digest.hexdigest())

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def to_dict(self) -> dict[str, Any]:
        return {"sha256": self.sha256, "shape": list(self.shape)}
