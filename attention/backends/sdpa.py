"""torch's scaled_dot_product_attention, which chooses its kernel itself."""

import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.attention.backend import Backend
from limelight.attention.capability import ANY_DEVICE, FLOATS, Capability, Limits
from limelight.attention.masks import fold_causal, hidden_queries
from limelight.attention.spec import AttentionSpec

CAPABILITY = Capability(
    {ANY_DEVICE: Limits(dtypes=FLOATS), "mps": Limits(dtypes=FLOATS - {torch.float64})},
)
CPU_LANES = 16  # keys that torch's CPU kernel processes at once; it processes a remainder one by one
CPU_BLOCK = 512  # keys; from here on a remainder costs nothing that matters
CPU_MIN_QUERIES = 128  # with fewer, copying the keys costs more than it saves
KERNELS = {0: "math", 1: "flash", 2: "efficient", 3: "cudnn", 4: "overrideable"}


def run(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None, causal: bool, scale: float) -> Tensor:
    mask, causal = as_torch_takes_it(q, k, mask, causal)
    hidden = None
    if mask is not None:
        # For a query that may see no key, some kernels do not return zeros, or return NaN as gradient.
        # cuDNN's kernel reads a mask that repeats along the keys at misaligned addresses (torch 2.11, H100).
        hidden = hidden_queries(mask)
        mask = mask | hidden if mask.dtype == torch.bool else mask.masked_fill(hidden, 0.0)
        mask = mask.expand(*mask.shape[:3], k.shape[2])
        mask = mask if mask.stride(-1) == 1 else mask.contiguous()
    elif not causal and _leaves_keys_over(q, k):
        k, v, mask = _whole_lanes(q, k, v)
    grouped = q.shape[1] != k.shape[1]
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=grouped
    )
    return out if hidden is None else out.masked_fill(hidden, 0.0)


def _leaves_keys_over(q: Tensor, k: Tensor) -> bool:
    """Whether padding the keys pays, such as the 77 of a prompt. With padding the call takes 0.7 of the time
    at head dim 16, 0.77 at 40, 0.92 at 160 (float32 with AVX-512)."""
    is_usual = q.device.type == "cpu" and q.dtype == torch.float32 and not q.requires_grad
    is_worth_it = q.shape[2] >= CPU_MIN_QUERIES and k.shape[2] < CPU_BLOCK
    return is_usual and is_worth_it and k.shape[2] % CPU_LANES != 0


def _whole_lanes(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values padded to a multiple of `CPU_LANES`, and the mask that hides the padding."""
    num_keys, more = k.shape[2], -k.shape[2] % CPU_LANES
    k, v = (F.pad(x, (0, 0, 0, more)) for x in (k, v))
    mask = q.new_zeros(num_keys + more)
    mask[num_keys:] = -torch.inf
    return k, v, mask.expand(1, 1, q.shape[2], -1)


def as_torch_takes_it(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool) -> tuple[Tensor | None, bool]:
    """The mask and the causal flag as torch defines them.

    torch takes only one of the two. Its causal flag lets query i see keys j <= i whatever the lengths; ours
    lets the last query see every key. So causal becomes a mask (n m booleans) unless the lengths agree or n
    is 1.
    """
    num_queries, num_keys = q.shape[2], k.shape[2]
    if not causal or num_queries == 1:
        return mask, False
    if mask is None and num_queries == num_keys:
        return None, True
    return fold_causal(mask, causal, num_queries, num_keys, q.device), False


def kernel_of(spec: AttentionSpec) -> str:
    """The kernel that torch chooses for `spec`. torch itself decides, on tensors that take no memory."""
    if spec.device == "cuda" and not torch.cuda.is_available():
        return "unknown without a CUDA device"
    if spec.device not in ("cpu", "cuda"):
        return "math"

    def tensor(num_heads: int, length: int) -> Tensor:
        one = torch.empty(spec.head_dim, dtype=spec.dtype, device=spec.device)
        return one.expand(spec.batch, num_heads, length, -1).requires_grad_(spec.needs_grad)

    q, k = tensor(spec.num_heads, spec.num_queries), tensor(spec.num_kv_heads, spec.num_keys)
    mask = None
    if spec.mask is not None:
        mask_dtype = torch.bool if spec.mask == "bool" else spec.dtype
        mask = torch.empty(1, 1, 1, 1, dtype=mask_dtype, device=spec.device).expand(
            1, 1, *q.shape[2:3], *k.shape[2:3]
        )
    mask, causal = as_torch_takes_it(q, k, mask, spec.causal)
    choice = torch._fused_sdp_choice(q, k, k, mask, 0.0, causal, enable_gqa=spec.is_grouped)
    return KERNELS.get(choice, f"torch's number {choice}")


BACKEND = Backend(name="sdpa", capability=CAPABILITY, run=run, kernel_of=kernel_of)
