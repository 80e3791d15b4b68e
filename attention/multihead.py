"""Multi-head attention with its projections, in which query heads may share key and value heads."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor, nn

from limelight.attention.backend import Mask
from limelight.attention.context import KeysValues
from limelight.attention.registry import attend

if TYPE_CHECKING:
    from limelight.attention.caches.decoding import LayerCache


class MultiHeadAttention(nn.Module):
    """Projections of the input to heads, attention, and a projection of the heads to the output.

    The projections have diffusers' names: `to_q`, `to_k`, `to_v`, `to_out.0`.

    Args:
        dim: features of the input and of the output.
        num_kv_heads: key and value heads; None means as many as query heads, 1 is multi-query attention.
            Query head i reads key head i // (num_heads // num_kv_heads).
        head_dim: features of a head; None means dim // num_heads.
        context_dim: features of the context, from which keys and values are projected; None means `dim`.
        bias, out_bias: whether the projections to heads, and the output projection, have a bias.

    Raises:
        ValueError: the heads do not divide.

    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; Shazeer 2019, arXiv:1911.02150, for
    multi-query; Ainslie et al. 2023, arXiv:2305.13245, for grouped-query.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        num_kv_heads: int | None = None,
        head_dim: int | None = None,
        context_dim: int | None = None,
        bias: bool = False,
        out_bias: bool = True,
    ) -> None:
        super().__init__()
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if num_heads % num_kv_heads:
            raise ValueError(
                f"num_heads is {num_heads} and num_kv_heads {num_kv_heads}; "
                "query heads share key heads evenly, so the first must be a multiple of the second"
            )
        if head_dim is None:
            if dim % num_heads:
                raise ValueError(f"dim is {dim} and num_heads {num_heads}; must divide, or head_dim be given")
            head_dim = dim // num_heads
        self.num_heads, self.num_kv_heads, self.head_dim = num_heads, num_kv_heads, head_dim
        self.scale = head_dim**-0.5
        source_dim = dim if context_dim is None else context_dim
        self.to_q = nn.Linear(dim, num_heads * head_dim, bias=bias)
        self.to_k = nn.Linear(source_dim, num_kv_heads * head_dim, bias=bias)
        self.to_v = nn.Linear(source_dim, num_kv_heads * head_dim, bias=bias)
        # Sequential: checkpoints call it to_out.0
        self.to_out = nn.Sequential(nn.Linear(num_heads * head_dim, dim, bias=out_bias))

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        context: Float[Tensor, "b m e"] | None = None,
        *,
        mask: Mask | None = None,
        causal: bool = False,
        cache: "LayerCache | None" = None,
        backend: str | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Attention from `x` to `context`, or to itself.

        Args:
            mask, causal, backend: as `attention.attend` takes them.
            cache: keys and values of earlier tokens, to which those of this call are appended.
        """
        k, v = self.keys_values(x if context is None else context)
        if cache is not None:
            k, v = cache.append(k, v)
        out = attend(self.queries(x), k, v, mask=mask, causal=causal, scale=self.scale, backend=backend)
        return self.project_out(out)

    def queries(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b h n d"]:
        return self._split_heads(self.to_q(x))

    def keys_values(self, source: Float[Tensor, "b m e"]) -> KeysValues:
        return self._split_heads(self.to_k(source)), self._split_heads(self.to_v(source))

    def project_out(self, out: Float[Tensor, "b h n d"]) -> Float[Tensor, "b n c"]:
        return self.to_out(out.transpose(1, 2).flatten(2))  # b h n d -> b n (h d)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)  # b n (h d) -> b h n d
