"""Tracks which blocks of a pool belong to which sequence, with reference counts and copy on write.

Source: Kwon et al. 2023, arXiv:2309.06180, sections 4.2 to 4.4.
"""

from dataclasses import dataclass, field

from limelight.errors import LimelightError


class OutOfBlocks(LimelightError, RuntimeError):
    """The pool has fewer free blocks than a call needs; nothing was changed."""


@dataclass(slots=True, eq=False)
class Table:
    """The blocks of one sequence, in order; `length` tokens of them are in use."""

    blocks: list[int] = field(default_factory=list)
    length: int = 0


class Pager:
    """Assigns blocks of `block_size` tokens, which sequences may share.

    It holds no tensors: those are in pools, which make the copies that `extend` returns.

    Raises:
        ValueError: a size is not positive.
    """

    def __init__(self, num_blocks: int, block_size: int) -> None:
        for name, value in (("num_blocks", num_blocks), ("block_size", block_size)):
            if value < 1:
                raise ValueError(f"{name} is {value}; must be at least 1")
        self.block_size = block_size
        self._references = [0] * num_blocks
        self._free = list(range(num_blocks))[::-1]

    @property
    def num_blocks(self) -> int:
        return len(self._references)

    @property
    def num_free(self) -> int:
        return len(self._free)

    def references(self, block: int) -> int:
        """How many sequences a block belongs to."""
        return self._references[block]

    def blocks_for(self, length: int) -> int:
        """How many blocks `length` tokens take."""
        return -(-length // self.block_size)

    def grow(self, num_blocks: int) -> None:
        """Adds free blocks up to `num_blocks` in all."""
        new = range(self.num_blocks, num_blocks)
        self._references += [0] * len(new)
        self._free = [*reversed(new), *self._free]

    def missing(self, table: Table, count: int) -> int:
        """How many free blocks `extend` would take."""
        new = self.blocks_for(table.length + count) - len(table.blocks)
        return new + (1 if count and self._writes_to_shared(table) else 0)

    def extend(self, table: Table, count: int) -> list[tuple[int, int]]:
        """Makes room for `count` more tokens, which no other sequence shares.

        Returns: blocks to copy, (from, to), before anything is written: a last block that is shared and not
            full is replaced by a copy for this sequence.

        Raises:
            OutOfBlocks: there are too few.
        """
        if (needed := self.missing(table, count)) > self.num_free:
            raise OutOfBlocks(
                f"{needed} blocks of {self.block_size} tokens are needed and {self.num_free} of "
                f"{self.num_blocks} are free; free sequences, or make the pool larger"
            )
        copies = []
        if count and self._writes_to_shared(table):
            shared = table.blocks[-1]
            table.blocks[-1] = self._take()
            self._references[shared] -= 1
            copies.append((shared, table.blocks[-1]))
        table.length += count
        while len(table.blocks) < self.blocks_for(table.length):
            table.blocks.append(self._take())
        return copies

    def fork(self, table: Table) -> Table:
        """Another sequence with the same tokens, in the same blocks."""
        for block in table.blocks:
            self._references[block] += 1
        return Table(list(table.blocks), table.length)

    def free(self, table: Table) -> None:
        """Releases the blocks of a sequence, which is empty afterwards."""
        for block in reversed(table.blocks):
            self._references[block] -= 1
            if self._references[block] == 0:
                self._free.append(block)
        table.blocks, table.length = [], 0

    def _writes_to_shared(self, table: Table) -> bool:
        is_full = table.length == len(table.blocks) * self.block_size
        return not is_full and self._references[table.blocks[-1]] > 1

    def _take(self) -> int:
        block = self._free.pop()
        self._references[block] = 1
        return block
