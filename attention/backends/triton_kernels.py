"""A Triton kernel for cross-attention: few keys, all of them at once.

A program computes a block of queries for one head. If the mean over heads is requested, it computes all heads
one after the other, so that the sum needs no atomics and has the same bits each time. The computation for a
head is the same either way, and so is the output.

All keys of a row form one block. Up to 512 scores stay in registers and each is exponentiated once, so that
probabilities need no second pass, as they would with an online softmax over smaller blocks. The head dim is
processed in chunks of 64: only the scores and the keys, values and outputs of one chunk are held. They take
at most 80 KiB of shared memory, which every GPU since compute capability 8.0 has.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

_CHUNK = 64  # of the head dim
_NUMBERS = (
    24576  # float32 numbers of one program: scores, their mean, a chunk of the output; kept in registers
)
_NUMBERS_OF_A_WARP = 3072  # 96 for each thread, which has 255 registers


@triton.jit
def _kernel(
    q, k, v, mask, blocks, out, means,
    q_row, q_head, q_query,
    k_block, k_token, k_head,
    v_block, v_token, v_head,
    mask_row, mask_head, mask_query, mask_key,
    out_row, out_head, out_query,
    means_row, means_key,
    num_queries, num_keys, num_heads, groups, head_dim, table_length, scale,
    HEADS: tl.constexpr, QUERIES: tl.constexpr, KEYS: tl.constexpr,
    CHUNK: tl.constexpr, CHUNKS: tl.constexpr,
    PAGE: tl.constexpr, MASK: tl.constexpr, MAPPED: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(1).to(tl.int64)
    queries = tl.program_id(0) * QUERIES + tl.arange(0, QUERIES)
    keys = tl.arange(0, KEYS)
    is_query, is_key = queries < num_queries, keys < num_keys
    if PAGE == 0:
        of_key = row * k_block + keys * k_token
        of_value = row * v_block + keys * v_token
    else:
        block = tl.load(blocks + row * table_length + keys // PAGE, mask=is_key, other=0).to(tl.int64)
        of_key = block * k_block + keys % PAGE * k_token
        of_value = block * v_block + keys % PAGE * v_token
    total = tl.zeros((QUERIES, KEYS), dtype=tl.float32)
    for i in range(HEADS):
        head = tl.program_id(2) * HEADS + i
        scores = tl.zeros((QUERIES, KEYS), dtype=tl.float32)
        for chunk in tl.range(CHUNKS, num_stages=1):
            dims = chunk * CHUNK + tl.arange(0, CHUNK)
            q_at = q + row * q_row + head * q_head + queries[:, None] * q_query + dims[None, :]
            k_at = k + of_key[:, None] + head // groups * k_head + dims[None, :]
            q_tile = tl.load(q_at, mask=is_query[:, None] & (dims < head_dim)[None, :], other=0.0)
            k_tile = tl.load(k_at, mask=is_key[:, None] & (dims < head_dim)[None, :], other=0.0)
            scores = tl.dot(q_tile, tl.trans(k_tile), scores, input_precision="ieee")
        scores *= scale
        if MASK != 0:
            mask_at = mask + row * mask_row + head * mask_head
            mask_at = mask_at + queries[:, None] * mask_query + keys[None, :] * mask_key
            mask_tile = tl.load(mask_at, mask=is_query[:, None] & is_key[None, :], other=0)
            if MASK == 1:
                scores = tl.where(mask_tile != 0, scores, -float("inf"))
            else:
                scores += mask_tile.to(tl.float32)
        scores = tl.where(is_key[None, :], scores, -float("inf"))
        top = tl.max(scores, 1)
        top = tl.where(top == -float("inf"), 0.0, top)  # a query that may see no key gets zeros
        weights = tl.exp(scores - top[:, None])
        sums = tl.sum(weights, 1)
        sums = tl.where(sums == 0.0, 1.0, sums)
        for chunk in tl.range(CHUNKS, num_stages=1):
            dims = chunk * CHUNK + tl.arange(0, CHUNK)
            v_at = v + of_value[:, None] + head // groups * v_head + dims[None, :]
            v_tile = tl.load(v_at, mask=is_key[:, None] & (dims < head_dim)[None, :], other=0.0)
            read = tl.dot(weights.to(v_tile.dtype), v_tile, input_precision="ieee") / sums[:, None]
            out_at = out + row * out_row + head * out_head + queries[:, None] * out_query + dims[None, :]
            out_mask = is_query[:, None] & (dims < head_dim)[None, :]
            tl.store(out_at, read.to(out.dtype.element_ty), mask=out_mask)
        if MAPPED:
            total += weights / sums[:, None]
    if MAPPED:
        means_at = means + row * means_row + keys[None, :] * means_key + queries[:, None]
        tl.store(means_at, total / num_heads, mask=is_query[:, None] & is_key[None, :])


def sizes(head_dim: int, num_keys: int) -> tuple[int, int, int, int]:
    """The size of a chunk of the head dim, of the block of keys and of the block of queries, and the
    warps."""
    chunk, keys = (max(16, triton.next_power_of_2(x)) for x in (min(head_dim, _CHUNK), num_keys))
    queries = max(16, min(64, 2 ** ((_NUMBERS // (chunk + 2 * keys)).bit_length() - 1)))
    return chunk, keys, queries, 4 if queries * (chunk + 2 * keys) <= 4 * _NUMBERS_OF_A_WARP else 8


@torch.library.custom_op("limelight::cross_attention", mutates_args=())
def cross_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    blocks: Tensor | None,
    num_keys: int,
    scale: float,
    mapped: bool,
) -> tuple[Tensor, Tensor]:
    """softmax(scale * q kT + mask) v, and the mean of the softmax over heads.

    Args:
        q: b h n d; the last dimension is contiguous, as in k and v.
        k, v: b hk m d; with `blocks` a pool, num_blocks block hk d.
        mask: b h n m, booleans or numbers.
        blocks: b blocks; a row's first `num_keys` keys lie in these blocks, in order.
        mapped: whether to return the mean.

    Returns: the output b h n d (in memory b n h d), and the mean b n m in float32 (in memory b m n), which is
        empty without `mapped`.
    """
    b, h, n, d = q.shape
    out, means = _empty(q, num_keys, mapped)
    if blocks is None:
        (k_block, k_head, k_token), (v_block, v_head, v_token) = k.stride()[:3], v.stride()[:3]
        page, groups = 0, h // k.shape[1]
    else:
        (k_block, k_token, k_head), (v_block, v_token, v_head) = k.stride()[:3], v.stride()[:3]
        page, groups = k.shape[1], h // k.shape[2]
        blocks = blocks.contiguous()
    chunk, keys, queries, warps = sizes(d, num_keys)
    is_bool = mask is not None and mask.dtype == torch.bool
    if mask is not None and is_bool:
        mask = mask.view(torch.uint8)
    heads = h if mapped else 1
    with torch.cuda.device_of(q):  # Triton launches on the current device, not on the tensors' device
        _kernel[triton.cdiv(n, queries), b, h // heads](
            q, k, v, mask, blocks, out, means,
            *q.stride()[:3],
            k_block, k_token, k_head,
            v_block, v_token, v_head,
            *(mask.stride() if mask is not None else (0, 0, 0, 0)),
            *out.stride()[:3],
            means.stride(0), means.stride(2),
            n, num_keys, h, groups, d, 0 if blocks is None else blocks.shape[1], scale,
            HEADS=heads, QUERIES=queries, KEYS=keys, CHUNK=chunk, CHUNKS=triton.cdiv(d, chunk),
            PAGE=page, MASK=0 if mask is None else 1 if is_bool else 2, MAPPED=mapped,
            num_warps=warps,
            enable_fp_fusion=False,  # fusion depends on the other outputs and changes the rounding
        )  # fmt: skip
    return out, means


@cross_attention.register_fake
def _(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    blocks: Tensor | None,
    num_keys: int,
    scale: float,
    mapped: bool,
) -> tuple[Tensor, Tensor]:
    return _empty(q, num_keys, mapped)


def _empty(q: Tensor, num_keys: int, mapped: bool) -> tuple[Tensor, Tensor]:
    b, h, n, d = q.shape
    out = q.new_empty(b, n, h, d).transpose(1, 2)
    means = q.new_empty(b, num_keys if mapped else 0, n, dtype=torch.float32).transpose(1, 2)
    return out, means
