"""Faster linear and gated feed-forward layers that share the original weights."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from limelight.attention.timings import Timings
from limelight.unet.transformer import FeedForward

_MIN_ROWS = 16  # with fewer rows, the overhead of the call dominates
_MANY_ROWS = 1024  # from here on, each size is measured separately
_ROWS_AT_ONCE = 1024  # of a feed-forward layer, so that the values between its two products stay in the cache


def is_usable(*tensors: Tensor | None) -> bool:
    """Whether oneDNN's operations support these tensors: float32, on a CPU, without gradients."""
    given = [tensor for tensor in tensors if tensor is not None]
    has_grad = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given)
    return not has_grad and all(t.dtype == torch.float32 and t.device.type == "cpu" for t in given)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, activation: str = "none") -> Tensor:
    """x weightT + bias by oneDNN; `gelu` is the exact GELU."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "none")


class Products:
    """Computes x weightT + bias by torch's default (usually MKL) or by oneDNN, whichever is faster here.

    MKL is slower on CPUs that Intel did not make, and adds the bias in a separate pass, which shows with many
    rows. All layers of a model share one object.
    """

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self._fastest: dict[tuple[int, ...], str] = {}

    def __call__(
        self, x: Float[Tensor, "... i"], weight: Float[Tensor, "o i"], bias: Float[Tensor, " o"] | None
    ) -> Float[Tensor, "... o"]:
        rows = x.numel() // x.shape[-1]
        if rows < _MIN_ROWS:
            return F.linear(x, weight, bias)
        few = rows < _MANY_ROWS
        size = (0,) if few else (1 << (rows - 1).bit_length(), *weight.shape, bias is None)
        key = (*size, torch.get_num_threads())
        if key not in self._fastest:
            of = _sample() if few else (x, weight, bias)
            case = "linear" if few else f"linear {weight.shape[1]} {weight.shape[0]}, {size[0]}"
            self._fastest[key] = self._timings.fastest(case, partial(_candidates, *of))
        return (linear if self._fastest[key] == "onednn" else F.linear)(x, weight, bias)

    @property
    def prefers_onednn(self) -> bool:
        """Whether oneDNN is faster for few rows."""
        return self._timings.fastest("linear", lambda: _candidates(*_sample())) == "onednn"


def _candidates(x: Tensor, weight: Tensor, bias: Tensor | None) -> Mapping[str, Callable[[], object]]:
    return {
        "torch": partial(F.linear, x, weight, bias),
        "onednn": partial(linear, x, weight, bias),
    }


def _sample() -> tuple[Tensor, Tensor, Tensor]:
    """The product that is measured on behalf of all products with few rows."""
    return torch.ones(512, 320), torch.ones(320, 320), torch.ones(320)


class FastLinear(nn.Linear):
    """A linear layer that shares the parameters of the one that it replaces."""

    products: Products

    @classmethod
    def of(cls, layer: nn.Linear, products: Products) -> "FastLinear":
        fast = cls(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        fast.weight, fast.bias = layer.weight, layer.bias
        fast.products = products
        return fast.train(layer.training)

    def forward(self, x: Float[Tensor, "... i"]) -> Float[Tensor, "... o"]:
        if not is_usable(x, self.weight, self.bias):
            return super().forward(x)
        return self.products(x, self.weight, self.bias)


class FastFeedForward(FeedForward):
    """The gated feed-forward layer, computed some rows at a time by the algorithm that is fastest for their
    number.

    One algorithm makes a product for each of the two halves, so that both are contiguous. The other uses
    oneDNN, which fuses GELU and the gate into the products before them.
    """

    timings: Timings
    products: Products
    _by: dict[tuple[int, int], str]

    @classmethod
    def of(cls, layer: FeedForward, timings: Timings, products: Products) -> "FastFeedForward":
        out = layer.net[2]
        assert isinstance(out, nn.Linear)
        with torch.device("meta"):
            fast = cls(out.out_features)
        fast.net = layer.net
        fast.timings, fast.products, fast._by = timings, products, {}
        return fast.train(layer.training)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        into, out = self.net[0].get_submodule("proj"), self.net[2]
        assert isinstance(into, nn.Linear) and isinstance(out, nn.Linear)
        if not is_usable(x, into.weight, out.weight):
            return super().forward(x)
        rows = x.flatten(0, 1)
        runs = {"halves": partial(_in_parts, partial(_in_halves, into, out, self.products))}
        if self.products.prefers_onednn:
            runs["onednn"] = partial(_in_parts, partial(_by_onednn, into, out))
        size = (1 << (len(rows) - 1).bit_length(), torch.get_num_threads())
        if size not in self._by:
            case = f"feed-forward {out.out_features} {size[0]}"
            self._by[size] = self.timings.fastest(
                case, lambda: {name: partial(run, rows) for name, run in runs.items()}
            )
        return runs[self._by[size]](rows).view_as(x)


def _in_parts(run: Callable[[Tensor], Tensor], rows: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    parts = [run(part) for part in rows.split(_ROWS_AT_ONCE)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _in_halves(
    into: nn.Linear, out: nn.Linear, products: Products, rows: Float[Tensor, "r c"]
) -> Float[Tensor, "r c"]:
    (weight, gate_weight), (bias, gate_bias) = into.weight.chunk(2), into.bias.chunk(2)
    # In place: the memory that is overwritten is in the cache; fresh memory is not.
    y = torch.ops.aten.gelu_(products(rows, gate_weight, gate_bias))
    y *= products(rows, weight, bias)
    return out(y)


def _by_onednn(into: nn.Linear, out: nn.Linear, rows: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    (weight, gate_weight), (bias, gate_bias) = into.weight.chunk(2), into.bias.chunk(2)
    gate = linear(rows, gate_weight, gate_bias, "gelu")
    return out(torch.ops.mkldnn._linear_pointwise.binary(rows, gate, weight, bias, "mul"))
