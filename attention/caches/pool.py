"""The blocks of one attention layer: one tensor of keys and one of values, for many sequences."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.caches.pager import Table
from limelight.attention.context import KeysValues, Pages


class BlockPool:
    """Keys and values of one layer, num_blocks block_size hk d.

    A `Pager` tracks which block belongs to which sequence; one pager serves all layers of a model.
    """

    def __init__(
        self,
        num_blocks: int,
        block_size: int,
        num_kv_heads: int,
        head_dim: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.block_size = block_size
        shape = (num_blocks, block_size, num_kv_heads, head_dim)
        self.k = torch.empty(shape, dtype=dtype, device=device)
        self.v = torch.empty(shape, dtype=dtype, device=device)

    @property
    def facts(self) -> tuple[tuple[int, ...], torch.dtype, torch.device]:
        """Shape of a block (hk block_size d), dtype and device."""
        _, block_size, num_kv_heads, head_dim = self.k.shape
        return (num_kv_heads, block_size, head_dim), self.k.dtype, self.k.device

    @property
    def num_bytes(self) -> int:
        return self.k.nbytes + self.v.nbytes

    def grow(self, num_blocks: int) -> None:
        """Grows the pool to `num_blocks` in all; the contents stay in their blocks."""
        for name in ("k", "v"):
            old = getattr(self, name)
            new = old.new_empty(num_blocks, *old.shape[1:])
            new[: len(old)] = old
            setattr(self, name, new)

    def copy(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copies blocks, (from, to)."""
        for source, target in pairs:
            self.k[target] = self.k[source]
            self.v[target] = self.v[source]

    def write(self, table: Table, start: int, k: Float[Tensor, "hk n d"], v: Float[Tensor, "hk n d"]) -> None:
        """Writes the tokens of a sequence from `start` on into the blocks of its table."""
        k, v = k.transpose(0, 1), v.transpose(0, 1)  # hk n d -> n hk d
        done, count = 0, len(k)
        while done < count:
            block, offset = divmod(start + done, self.block_size)
            stop = min(count, done + self.block_size - offset)
            place = table.blocks[block], slice(offset, offset + stop - done)
            self.k[place] = k[done:stop]
            self.v[place] = v[done:stop]
            done = stop

    def read(self, blocks: Int[Tensor, "b blocks"], length: int) -> KeysValues:
        """The first `length` tokens of sequences with these blocks, gathered."""
        return self._read(self.k, blocks, length), self._read(self.v, blocks, length)

    def pages(self, blocks: Int[Tensor, "b blocks"], length: int) -> Pages:
        """The same tokens as pages of this pool, without a copy."""
        return Pages(self.k, self.v, blocks, length)

    def _read(self, pool: Tensor, blocks: Tensor, length: int) -> Float[Tensor, "b hk m d"]:
        found = pool.index_select(0, blocks.flatten()).unflatten(0, blocks.shape)  # b blocks block hk d
        return found.flatten(1, 2)[:, :length].transpose(1, 2)
