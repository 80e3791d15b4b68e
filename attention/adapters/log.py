"""Records which kernel each layer of another library's model ran."""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from jaxtyping import Float
from torch import Tensor, nn

from limelight.attention.backend import Backend, Mask
from limelight.attention.registry import choose, obey
from limelight.attention.spec import AttentionSpec


@dataclass(frozen=True, slots=True)
class Ran:
    """The spec of a layer's last call, and what computed it."""

    spec: AttentionSpec
    backend: Backend

    @property
    def kernel(self) -> str:
        return self.backend.kernel(self.spec)


@dataclass(frozen=True, slots=True)
class KernelLog:
    """The last call of every layer that ran, of any number of models."""

    ran: WeakKeyDictionary[nn.Module, Ran] = field(default_factory=WeakKeyDictionary)

    def layers(self, model: nn.Module) -> dict[str, Ran]:
        """Dotted name -> what ran there, for the layers of `model` that have run."""
        return {name: self.ran[layer] for name, layer in model.named_modules() if layer in self.ran}


def attend_for(
    layer: nn.Module,
    q: Float[Tensor, "b h n d"],
    k: Float[Tensor, "b hk m d"],
    v: Float[Tensor, "b hk m d"],
    *,
    mask: Mask | None,
    causal: bool,
    scale: float | None,
    backend: str | None,
    log: KernelLog | None,
) -> Float[Tensor, "b h n d"]:
    """As `attention.attend`; it also records the call in the log."""
    spec = AttentionSpec.of(q, k, v, mask=mask, causal=causal)
    chosen = choose(spec)[0] if backend is None else obey(backend, spec)
    if log is not None:
        log.ran[layer] = Ran(spec, chosen)
    return chosen.attend(q, k, v, mask=mask, causal=causal, scale=scale)
