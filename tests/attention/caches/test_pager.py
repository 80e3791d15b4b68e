"""No block leaks, none is written by two sequences, whatever is done in whatever order."""

import random

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from limelight.attention.caches.decoding import blocks_of
from limelight.attention.caches.pager import OutOfBlocks, Pager, Table
from limelight.attention.caches.pool import BlockPool

NUM_BLOCKS, BLOCK_SIZE = 24, 4


class World:
    """Sequences in a pool, with their expected content."""

    def __init__(self, num_blocks: int = NUM_BLOCKS, block_size: int = BLOCK_SIZE) -> None:
        self.pager = Pager(num_blocks, block_size)
        self.pool = BlockPool(num_blocks, block_size, 1, 1, dtype=torch.float32, device=torch.device("cpu"))
        self.texts: dict[Table, list[float]] = {}
        self.written = 0.0

    def allocate(self) -> Table:
        table = Table()
        self.texts[table] = []
        return table

    def extend(self, table: Table, count: int) -> bool:
        before = list(table.blocks), table.length, self.pager.num_free
        try:
            copies = self.pager.extend(table, count)
        except OutOfBlocks:
            assert before == (table.blocks, table.length, self.pager.num_free)
            return False
        self.pool.copy(copies)
        new = [self.written + i + 1 for i in range(count)]
        self.written += count
        k = torch.tensor(new)[None, :, None]
        self.pool.write(table, table.length - count, k, -k)
        self.texts[table] += new
        return True

    def fork(self, table: Table) -> Table:
        forked = self.pager.fork(table)
        self.texts[forked] = list(self.texts[table])
        return forked

    def free(self, table: Table) -> None:
        self.pager.free(table)
        del self.texts[table]

    def check_counts(self) -> None:
        held = [block for table in self.texts for block in table.blocks]
        assert all(self.pager.references(b) == held.count(b) for b in range(self.pager.num_blocks))
        assert self.pager.num_free == self.pager.num_blocks - len(set(held))
        assert all(len(set(table.blocks)) == len(table.blocks) for table in self.texts)

    def check(self, table: Table) -> None:
        text = self.texts[table]
        assert table.length == len(text)
        assert len(table.blocks) == self.pager.blocks_for(len(text))
        if text:
            k, v = self.pool.read(blocks_of([table], torch.device("cpu")), table.length)
            assert k.flatten().tolist() == text
            assert v.flatten().tolist() == [-x for x in text]


class Sequences(RuleBasedStateMachine):
    tables = Bundle("tables")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @rule(target=tables)
    def allocate(self) -> Table:
        return self.world.allocate()

    @rule(table=tables, count=st.integers(0, 11))
    def extend(self, table: Table, count: int) -> None:
        if table in self.world.texts:
            self.world.extend(table, count)

    @rule(target=tables, table=tables)
    def fork(self, table: Table) -> Table:
        return self.world.fork(table) if table in self.world.texts else table

    @rule(table=tables)
    def free(self, table: Table) -> None:
        if table in self.world.texts:
            self.world.free(table)

    @invariant()
    def tokens_are_separate_and_block_counts_add_up(self) -> None:
        self.world.check_counts()
        for table in self.world.texts:
            self.world.check(table)


TestSequences = Sequences.TestCase
TestSequences.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_100_000_random_steps_leak_nothing() -> None:
    choose = random.Random(0)
    world = World(64)
    tables: list[Table] = []
    refused = 0
    for step in range(100_000):
        action = choose.random()
        if action < 0.2 or not tables:
            tables.append(world.allocate())
        elif action < 0.6:
            refused += not world.extend(choose.choice(tables), choose.randint(1, 6))
        elif action < 0.75:
            tables.append(world.fork(choose.choice(tables)))
        else:
            world.free(tables.pop(choose.randrange(len(tables))))
        if step % 500 == 0:
            world.check_counts()
            for table in tables:
                world.check(table)
    assert refused  # the pool was full now and then
    for table in tables:
        world.free(table)
    assert world.pager.num_free == world.pager.num_blocks


def test_a_fork_copies_the_last_block_alone_and_once() -> None:
    pager = Pager(8, 4)
    first = Table()
    pager.extend(first, 6)
    second = pager.fork(first)
    assert second.blocks == first.blocks
    ((source, target),) = pager.extend(second, 1)
    assert (source, target) == (first.blocks[1], second.blocks[1])
    assert first.blocks[0] == second.blocks[0]
    assert pager.extend(first, 1) == []  # nobody else has that block any more
    assert pager.num_free == 5


def test_a_full_pool_says_what_it_lacks_and_can_grow() -> None:
    pager, table = Pager(2, 16), Table()
    with pytest.raises(OutOfBlocks, match="3 blocks of 16 tokens are needed and 2 of 2 are free; free seq"):
        pager.extend(table, 33)
    pager.grow(3)
    pager.extend(table, 33)
    assert len(set(table.blocks)) == 3
