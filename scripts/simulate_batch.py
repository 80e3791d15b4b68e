"""Simulates a very large batch without drawing: `python -m scripts.simulate_batch`.

Measures, with the code of real batches, what a worker does before it draws and when it claims rows. Then it
simulates all workers with the one lock that they share, and prints how much of their time they wait for it.
"""

import argparse
import heapq
import sys
import tempfile
import time
from pathlib import Path

from limelight.pipeline.batch.claims import MAX_BLOCK, Claims
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import WorkerLock
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.world import World


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0, help="for a picture on one GPU")
    parser.add_argument(
        "--sample", type=int, default=100_000, help="rows that are really read and journalled"
    )
    arguments = parser.parse_args()
    rows, sample, workers = arguments.rows, arguments.sample, arguments.workers
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "m.csv"
        lines = (f"a red apple on a blue background number {i},{i}" for i in range(sample))
        manifest.write_text("\n".join(["prompt,seed", *lines]))
        begun = time.process_time()
        keys = [row.key("model") for row in read_rows(manifest).rows]
        reading = time.process_time() - begun
        journal_folder = Path(folder) / "journal"
        journal_folder.mkdir()
        for worker in range(workers):
            with Journal(journal_folder / f"{worker:04}.jsonl") as journal:
                own = [key for key in keys if int(key[:8], 16) % workers == worker]
                for start in range(0, len(own), MAX_BLOCK):
                    journal.append({"claim": own[start : start + MAX_BLOCK]})
                for key in own:
                    name = f"{key[:2]}/{key}.png"
                    journal.append({"done": key, "file": name, "bytes": 1_234_567, "seconds": 12.345})
        size = sum(path.stat().st_size for path in journal_folder.iterdir())
        begun = time.process_time()
        ledger = Ledger(journal_folder, "run")
        ledger.read()
        restart = time.process_time() - begun
        claim = time_of_claim(Path(folder) / "claims", workers)
    scale = rows / sample
    waited = simulate(rows, workers, arguments.seconds, claim)
    ideal = rows * arguments.seconds / workers
    print(f"{rows:,} rows, {workers} workers, {arguments.seconds:g} s a picture; {sample:,} rows measured")
    print(f"reading and checking the manifest: {reading * scale:.0f} s of processor time, in each worker")
    print(f"journal: {size * scale / 2**20:.0f} MiB in {workers} files, {size / sample:.0f} bytes a row")
    print(f"reading the journal after a stop: {restart * scale:.0f} s")
    print(
        f"a claim of {MAX_BLOCK} rows holds the lock for {1000 * claim:.1f} ms, {workers} journals looked at"
    )
    print(
        f"waiting for the lock: {waited / workers:.2f} s a worker, {waited / workers / ideal:.4%} of "
        f"{ideal:.0f} s"
    )
    return 0


def time_of_claim(folder: Path, workers: int) -> float:
    """Median seconds of a claim with the journals of all workers, including the disk."""
    folder.mkdir()
    for worker in range(1, workers):
        with Journal(folder / f"{worker:04}.jsonl") as journal:
            journal.append({"begin": "run"})
    world = World(rank=0, size=1, run="run")
    lock, ledger = WorkerLock(folder, world.worker, world.run), Ledger(folder, world.run)
    keys = [f"{i:024x}" for i in range(MAX_BLOCK * 400)]
    with Journal(folder / "0000.jsonl") as journal:
        journal.append({"begin": "run"})
        claims = Claims(ledger, journal, lock, world, keys)
        times = []
        for _ in range(50):
            begun = time.perf_counter()
            claims.claim(MAX_BLOCK)
            times.append(time.perf_counter() - begun)
    lock.leave()
    return sorted(times)[len(times) // 2]


def simulate(rows: int, workers: int, seconds: float, claim: float) -> float:
    """Seconds that all workers together wait for the lock, when all begin at once."""
    left, free_at, waited = rows, 0.0, 0.0
    ready = [(0.0, worker) for worker in range(workers)]
    while left > 0:
        now, worker = heapq.heappop(ready)
        begins = max(now, free_at)
        waited += begins - now
        free_at = begins + claim
        block = min(left, MAX_BLOCK, max(1, left // (4 * workers)))
        left -= block
        heapq.heappush(ready, (free_at + block * seconds, worker))
    return waited


if __name__ == "__main__":
    sys.exit(main())
