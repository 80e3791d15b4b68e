"""Keys and values of chunks of contexts, in pages that all rows with the same chunk share.

Source: Kwon et al. 2023, arXiv:2309.06180, for blocks, tables and reference counts.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock

import torch
from torch import Tensor

from limelight.attention.caches.pager import Pager, Table
from limelight.attention.caches.pool import BlockPool
from limelight.attention.context import ContextRows, KeysValues, Pages, RowGroup

Make = Callable[[], Mapping[str, KeysValues]]
FIRST_BLOCKS = 4
MOST_GATHERED = 2**23  # bytes of gathered keys and values that are kept for the next call of the same rows


class PagedContexts:
    """Chunks of contexts by key: one block each, at every site. The least recently used one is evicted.

    All chunks have one length, such as 77 tokens, so every block is full, and prompts with equal chunks share
    blocks. Blocks that a call reads are held until the call ends.

    Args:
        max_bytes: size of the pools; blocks held by calls in flight may exceed it.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, Table] = OrderedDict()
        self._pools: dict[str, BlockPool] = {}
        self._pager = Pager(FIRST_BLOCKS, 1)
        self._last: tuple[Sequence[Sequence[int]], ContextRows] | None = None  # blocks, and how they are read
        self._lock = Lock()

    def __len__(self) -> int:
        """How many chunks are kept."""
        return len(self._kept)

    @property
    def num_bytes(self) -> int:
        """Size of the pools."""
        return sum(pool.num_bytes for pool in self._pools.values())

    @property
    def num_held(self) -> int:
        """How many blocks are held by calls in flight."""
        return sum(self._pager.references(table.blocks[0]) > 1 for table in self._kept.values())

    def forget(self) -> None:
        """Drops all chunks; calls in flight continue with the blocks that they hold."""
        with self._lock:
            self._forget()

    @contextmanager
    def rows(self, rows: Sequence[Sequence[tuple[Hashable, Make]]]) -> Iterator[ContextRows]:
        """The keys and values that each row of a call reads, chunk after chunk; valid inside the `with`.

        Args:
            rows: for each row, the chunks' keys, each with a function that makes the keys and values
                1 hk m d of a chunk that is not in the cache.
        """
        held: list[tuple[Pager, Table]] = []
        try:
            with self._lock, torch.inference_mode():
                blocks = [[self._hold(key, make, held) for key, make in row] for row in rows]
                groups = self._grouped(blocks)
            yield groups
        finally:
            with self._lock:
                for pager, table in held:
                    pager.free(table)

    def _grouped(self, blocks: Sequence[Sequence[int]]) -> ContextRows:
        """The rows, grouped by their number of blocks. A call with the same blocks as the last gets its
        groups."""
        if self._last is not None and self._last[0] == blocks:
            return self._last[1]
        device = next(iter(self._pools.values())).k.device
        groups = []
        for count in dict.fromkeys(map(len, blocks)):
            rows = [row for row, each in enumerate(blocks) if len(each) == count]
            table = torch.tensor([blocks[row] for row in rows], device=device)
            is_little = table.numel() * self.num_bytes <= MOST_GATHERED * self._pager.num_blocks
            at, pages = _Gathered(self._pools, table, is_little), partial(_pages, self._pools, table)
            is_all = len(rows) == len(blocks)
            groups.append(RowGroup(at, None if is_all else torch.tensor(rows, device=device), pages))
        self._last = blocks, tuple(groups)
        return self._last[1]

    def _hold(self, key: Hashable, make: Make, held: list[tuple[Pager, Table]]) -> int:
        """The block of a chunk, held for the caller until it is freed."""
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._keep(key, make())
        table = self._pager.fork(self._kept[key])
        held.append((self._pager, table))
        return table.blocks[0]

    def _keep(self, key: Hashable, made: Mapping[str, KeysValues]) -> None:
        self._fit(made)
        self._make_room()
        table = Table()
        self._pager.extend(table, self._pager.block_size)
        self._last = None  # it may refer to the old content of that block
        for site, (k, v) in made.items():
            self._pools[site].write(table, 0, k[0], v[0])
        self._kept[key] = table

    def _fit(self, made: Mapping[str, KeysValues]) -> None:
        """Makes the pools at the first chunk, and again when chunks have another shape, dtype or device."""
        facts = {site: (k.shape[1:], k.dtype, k.device) for site, (k, _) in made.items()}
        if facts == {site: pool.facts for site, pool in self._pools.items()}:
            return
        self._forget()
        block_size = next(iter(made.values()))[0].shape[2]
        self._pager = Pager(FIRST_BLOCKS, block_size)
        self._pools = {
            site: BlockPool(FIRST_BLOCKS, block_size, k.shape[1], k.shape[3], dtype=k.dtype, device=k.device)
            for site, (k, _) in made.items()
        }

    def _make_room(self) -> None:
        """Frees or adds a block if none is free."""
        num_blocks = self._pager.num_blocks
        most = self.max_bytes * num_blocks // self.num_bytes
        if self._pager.num_free:
            return
        if num_blocks < most:
            return self._grow(min(2 * num_blocks, most))
        for key, table in self._kept.items():
            if self._pager.references(table.blocks[0]) == 1:
                self._pager.free(self._kept.pop(key))
                return None
        return self._grow(num_blocks + max(1, num_blocks // 4))  # calls in flight hold all of it

    def _grow(self, num_blocks: int) -> None:
        self._pager.grow(num_blocks)
        for pool in self._pools.values():
            pool.grow(num_blocks)

    def _forget(self) -> None:
        self._kept.clear()
        self._last = None
        self._pools = {}
        self._pager = Pager(FIRST_BLOCKS, 1)


class _Gathered:
    """Site -> keys and values of rows, gathered from the pools; optionally kept for the next call."""

    def __init__(self, pools: Mapping[str, BlockPool], blocks: Tensor, is_kept: bool) -> None:
        self._pools, self._blocks, self._is_kept = pools, blocks, is_kept
        self._kept: dict[str, KeysValues] = {}

    def __call__(self, site: str) -> KeysValues:
        # A graph must not capture tensors that it should read, and autograd refuses tensors of inference
        # mode.
        if not self._is_kept or torch.compiler.is_compiling() or not torch.is_inference_mode_enabled():
            return self._read(site)
        if site not in self._kept:
            self._kept[site] = self._read(site)
        return self._kept[site]

    def _read(self, site: str) -> KeysValues:
        pool = self._pools[site]
        return pool.read(self._blocks, self._blocks.shape[1] * pool.block_size)


def _pages(pools: Mapping[str, BlockPool], blocks: Tensor, site: str) -> Pages:
    return pools[site].pages(blocks, blocks.shape[1] * pools[site].block_size)
