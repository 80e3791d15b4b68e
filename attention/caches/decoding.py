"""Keys and values of the tokens that a causal model has read, so that each token is projected once."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.caches.pager import Pager, Table
from limelight.attention.caches.pool import BlockPool
from limelight.attention.context import KeysValues

CONTIGUOUS_BLOCK = 64  # tokens that a buffer grows by; each growth copies it once
PAGE = 16  # tokens of a page; a sequence of random length leaves 7.5 of them empty on average


@runtime_checkable
class DecodingCache(Protocol):
    """The keys and values of every layer of a causal model, for a batch of equally long sequences."""

    def append(self, layer: int, k: Float[Tensor, "b hk n d"], v: Float[Tensor, "b hk n d"]) -> KeysValues:
        """Appends a layer's new keys and values, and returns all of that layer."""

    @property
    def batch(self) -> int:
        """How many sequences the batch has; 0 before the first `append`."""

    def length(self, layer: int = 0) -> int:
        """How many tokens a layer has."""

    def select(self, rows: Int[Tensor, " r"]) -> None:
        """Keeps these sequences; one may be repeated (beam search)."""

    def reset(self) -> None:
        """Forgets everything."""


class LayerCache:
    """One layer of a cache, as `MultiHeadAttention` takes it."""

    def __init__(self, cache: DecodingCache, layer: int) -> None:
        self.cache, self.layer = cache, layer

    def append(self, k: Float[Tensor, "b hk n d"], v: Float[Tensor, "b hk n d"]) -> KeysValues:
        return self.cache.append(self.layer, k, v)


class KVCache:
    """A contiguous buffer for each layer, which is read without a copy and grows in blocks.

    Args:
        block_size: tokens that the buffer grows by.
    """

    def __init__(self, *, block_size: int = CONTIGUOUS_BLOCK) -> None:
        self.block_size = block_size
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self._lengths: dict[int, int] = {}

    def append(self, layer: int, k: Float[Tensor, "b hk n d"], v: Float[Tensor, "b hk n d"]) -> KeysValues:
        start = self.length(layer)
        stop = start + k.shape[2]
        if layer not in self._layers or self._layers[layer][0].shape[2] < stop:
            capacity = -(-stop // self.block_size) * self.block_size
            self._layers[layer] = self._grown(layer, k, capacity), self._grown(layer, v, capacity, of=1)
        keys, values = self._layers[layer]
        keys[:, :, start:stop] = k
        values[:, :, start:stop] = v
        self._lengths[layer] = stop
        return keys[:, :, :stop], values[:, :, :stop]

    @property
    def batch(self) -> int:
        return next((len(k) for k, _ in self._layers.values()), 0)

    def length(self, layer: int = 0) -> int:
        return self._lengths.get(layer, 0)

    def select(self, rows: Int[Tensor, " r"]) -> None:
        self._layers = {
            i: (k.index_select(0, rows), v.index_select(0, rows)) for i, (k, v) in self._layers.items()
        }

    def reset(self) -> None:
        self._layers, self._lengths = {}, {}

    def _grown(self, layer: int, new: Tensor, capacity: int, *, of: int = 0) -> Tensor:
        grown = new.new_empty(*new.shape[:2], capacity, new.shape[3])
        if layer in self._layers:
            grown[:, :, : self.length(layer)] = self._layers[layer][of][:, :, : self.length(layer)]
        return grown


class PagedKVCache:
    """Blocks of a pool for each layer: sequences with a common beginning share its blocks until they differ.

    Each call gathers what it reads, which copies all keys and values. A contiguous `KVCache` is faster where
    nothing is shared.

    Args:
        block_size: tokens of a block.
        num_blocks: blocks at the start; the pool doubles when it is full.
    """

    def __init__(self, *, block_size: int = PAGE, num_blocks: int = 16) -> None:
        self.pager = Pager(num_blocks, block_size)
        self._tables: list[Table] = []
        self._pools: dict[int, BlockPool] = {}
        self._lengths: dict[int, int] = {}

    def append(self, layer: int, k: Float[Tensor, "b hk n d"], v: Float[Tensor, "b hk n d"]) -> KeysValues:
        if not self._tables:
            self._tables = [Table() for _ in k]
        start = self.length(layer)
        stop = start + k.shape[2]
        if layer not in self._pools:
            self._pools[layer] = BlockPool(
                self.pager.num_blocks,
                self.pager.block_size,
                k.shape[1],
                k.shape[3],
                dtype=k.dtype,
                device=k.device,
            )
        if self._tables[0].length < stop:  # the first layer of a model makes room for all
            self._extend(stop - self._tables[0].length)
        pool = self._pools[layer]
        for table, keys, values in zip(self._tables, k, v, strict=True):
            pool.write(table, start, keys, values)
        self._lengths[layer] = stop
        return pool.read(blocks_of(self._tables, k.device), stop)

    @property
    def batch(self) -> int:
        return len(self._tables)

    def length(self, layer: int = 0) -> int:
        return self._lengths.get(layer, 0)

    def select(self, rows: Int[Tensor, " r"]) -> None:
        old = self._tables
        self._tables = [self.pager.fork(old[row]) for row in rows.tolist()]
        for table in old:
            self.pager.free(table)

    def reset(self) -> None:
        for table in self._tables:
            self.pager.free(table)
        self._tables, self._lengths = [], {}

    def _extend(self, count: int) -> None:
        for table in self._tables:
            if (missing := self.pager.missing(table, count)) > self.pager.num_free:
                self.pager.grow(max(2 * self.pager.num_blocks, self.pager.num_blocks + missing))
                for pool in self._pools.values():
                    pool.grow(self.pager.num_blocks)
            copies = self.pager.extend(table, count)
            for pool in self._pools.values():
                pool.copy(copies)


def blocks_of(tables: Sequence[Table], device: torch.device) -> Int[Tensor, "b blocks"]:
    """The block numbers of sequences with equally many blocks."""
    return torch.tensor([table.blocks for table in tables], device=device)
