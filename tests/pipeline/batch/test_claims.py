"""Workers that share a manifest: every row is claimed once, and no row is lost when a worker dies."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limelight.pipeline.batch.claims import Claims
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import WorkerLock
from limelight.pipeline.batch.world import World


@dataclass
class Member:
    claims: Claims
    journal: Journal
    lock: WorkerLock

    @classmethod
    def join(cls, folder: Path, rank: int, size: int, keys: list[str]) -> "Member":
        world = World(rank=rank, size=size, run="run", worker=f"{rank:04}")
        lock, ledger = WorkerLock(folder, world.worker, world.run), Ledger(folder, world.run)
        journal = Journal(folder / f"{world.worker}.jsonl")
        journal.append({"begin": "run"})
        ledger.read()
        return cls(Claims(ledger, journal, lock, world, keys), journal, lock)

    def draw(self, keys: list[str]) -> None:
        for key in keys:
            self.journal.append({"done": key, "file": f"{key}.png", "bytes": 1})


def keys_of(count: int) -> list[str]:
    return [f"{i * 2654435761 % 2**32:08x}{i:016x}" for i in range(count)]


@given(order=st.lists(st.integers(0, 2), max_size=60), count=st.integers(1, 60))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_they_come_all_rows_are_claimed_once(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], count: int
) -> None:
    folder, keys = tmp_path_factory.mktemp("share"), keys_of(count)
    members = [Member.join(folder, rank, 3, keys) for rank in range(3)]
    claimed: list[str] = []
    for rank in [*order, *[0, 1, 2] * count]:
        some = members[rank].claims.claim(1)
        claimed += some
        members[rank].draw(some)
    assert sorted(claimed) == sorted(keys)
    assert all(member.claims.num_unsettled() == 0 for member in members)
    for member in members:
        member.lock.leave()


def test_an_idle_worker_takes_from_the_end_of_the_largest_part(tmp_path: Path) -> None:
    keys = [key for key in keys_of(200) if int(key[:8], 16) % 2]  # all of them the second worker's
    idle, busy = (Member.join(tmp_path, rank, 2, keys) for rank in (0, 1))
    first = busy.claims.claim(1)
    assert first == keys[: len(first)]
    stolen = idle.claims.claim(1)
    assert stolen and stolen == keys[-1 : -len(stolen) - 1 : -1]
    for member in (idle, busy):
        member.lock.leave()


def test_rows_claimed_by_dead_workers_are_drawn_by_others_and_no_other_rows_are(tmp_path: Path) -> None:
    keys = keys_of(20)
    first, second = (Member.join(tmp_path, rank, 2, keys) for rank in (0, 1))
    taken = first.claims.claim(20)
    first.draw(taken[:1])
    while some := second.claims.claim(1):
        second.draw(some)
    assert second.claims.num_unsettled() == len(taken) - 1
    first.lock.leave()  # as the system does when a process dies
    assert sorted(second.claims.claim(20)) == sorted(taken[1:])
    second.lock.leave()
