"""The work of one worker in a run: it finds what is done and draws the rest."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from limelight.pipeline.atomic import remove_torn
from limelight.pipeline.batch.capacity import find_workers
from limelight.pipeline.batch.claims import Claims
from limelight.pipeline.batch.errors import Fault, ManifestError
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import Owner, WorkerLock, mutex
from limelight.pipeline.batch.processes import LocalWorkers
from limelight.pipeline.batch.ray_cluster import Cluster
from limelight.pipeline.batch.rows.file_names import FileNames, Naming
from limelight.pipeline.batch.rows.rows import Manifest, Row
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.summary.summary import write_summary
from limelight.pipeline.batch.worker import Worker
from limelight.pipeline.batch.world import World
from limelight.pipeline.batch.writer import Writer
from limelight.pipeline.errors import OutputError, RequestError
from limelight.pipeline.reading.check import require_drawing
from limelight.pipeline.results.png import check_writable
from limelight.pipeline.sampling.engine import Engine

JOURNAL = "journal"
SUMMARY_PATIENCE = 3600.0  # seconds; a summary of a million pictures takes minutes
_FREE = {"prompt", "negative_prompt", "seed"}  # fields that no model refuses


@dataclass(slots=True)
class Run:
    """A manifest, an output folder, and the model that draws.

    Attributes:
        rows: key -> row, in the order of drawing: rows of one size together.
        ledger: the ledger of the folder.
        naming: names the files of new pictures.
        checks: whether every new picture is checked word by word.
        num_missing: pictures of earlier runs that were removed or changed.
        num_without_maps: pictures of earlier runs without maps; they are drawn again for their maps.
    """

    manifest: Manifest
    output: Path
    world: World
    lock: WorkerLock
    engine: Engine
    rows: Mapping[str, Row]
    ledger: Ledger
    naming: Naming
    num_missing: int
    num_without_maps: int
    checks: bool = False

    @classmethod
    def begin(
        cls,
        manifest: Manifest,
        output: Path,
        world: World,
        lock: WorkerLock,
        engine: Engine,
        naming: Naming = "key",
        *,
        checks: bool = False,
    ) -> "Run":
        """Checks every row against the model, and finds which are done.

        Raises:
            ManifestError: the model cannot draw some rows; the message names all.
            BackendRefused: their attention cannot be computed.
            RequestError: pictures cannot be checked by this model.
        """
        if checks:
            require_drawing(engine.model)
        rows = keyed(_by_size(manifest, engine), engine)
        ledger = Ledger(output / JOURNAL, world.run)
        ledger.read()
        missing = ledger.forget_missing(output)
        without = ledger.forget(
            [key for key, row in rows.items() if row.values.get("record")], without="maps"
        )
        return cls(manifest, output, world, lock, engine, rows, ledger, naming, missing, without, checks)

    @property
    def num_done(self) -> int:
        return len(self.ledger.done.keys() & self.rows.keys())

    @property
    def failed(self) -> dict[str, str]:
        """Key -> reason, for each row without a picture."""
        return {key: why for key, why in self.ledger.failed.items() if key in self.rows}

    @property
    def constant(self) -> list[str]:
        """Rows whose pictures have a single colour."""
        return [key for key in self.rows if self.ledger.done.get(key, {}).get("is_constant")]

    @property
    def removed(self) -> dict[str, Mapping[str, Any]]:
        """Pictures in the folder that belong to no row (any more)."""
        return {key: line for key, line in self.ledger.done.items() if key not in self.rows}

    def draw(self, stop: Stop, report: Callable[[int], None]) -> None:
        """Draws until no row is left, also at other workers, or until `stop` is requested.

        Raises:
            OutputLost: the folder is full, or gone.
        """
        with self._threads(), Journal(self.output / JOURNAL / f"{self.world.worker}.jsonl") as journal:
            owner = Owner.me(self.world.run)
            journal.append({"begin": self.world.run, "pid": owner.pid, "host": owner.host}, flush=True)
            claims = Claims(self.ledger, journal, self.lock, self.world, list(self.rows))
            writer = Writer(self.output, journal)
            names = FileNames(self.output, len(self.rows), dict(self.ledger.files), self.naming)
            try:
                Worker(
                    self.engine, self.rows, claims, self.ledger, writer, stop, names, report, self.checks
                ).run()
            finally:
                self.ledger.read()
            if not stop.is_requested:
                self._sum_up(journal)

    def find_workers(self, *, is_device_named: bool) -> int:
        """The number of processes on this machine that draw the remaining rows fastest."""
        return find_workers(
            self.engine.model, len(self.rows) - self.num_done, is_device_named=is_device_named
        )

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """An exact run on a CPU draws with one thread in each process: sums that more threads share depend on
        their number, and so on how many processes there are, and how many rows are left."""
        before = torch.get_num_threads()
        if self.engine.exact and self.engine.model.unet.device.type == "cpu":
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def draw_with_others(
        self, draw: Callable[[World, Stop], None], stop: Stop, report: Callable[[int], None], *, size: int
    ) -> list[int]:
        """As `draw`, with `size` processes of this machine, including this one; none if a launcher started
        some.

        Args:
            draw: the function that the other processes run; it must be picklable.

        Returns:
            The ranks of the processes that died; others have drawn their rows.
        """
        if self.world.size > 1 or size == 1:
            self.draw(stop, report)
            return []
        self.world = replace(self.world, size=size)
        num_threads = 0
        if self.engine.model.unet.device.type == "cpu":
            num_threads = max(1, torch.get_num_threads() // size)
            torch.set_num_threads(num_threads)
        with LocalWorkers(draw, self.world, stop, num_threads) as workers:
            self.draw(stop, report)
        self.ledger.read()
        return workers.died

    def draw_on_cluster(
        self,
        draw: Callable[[World], None],
        stop: Stop,
        report: Callable[[int], None],
        *,
        address: str | None,
        size: int | None,
    ) -> None:
        """Draws with workers on a Ray cluster, and waits for them; the arguments are those of `Cluster`."""
        with Journal(self.lock.journal / "driver.jsonl") as journal:
            Cluster(
                address=address, size=size, run=self.world.run, draw=draw, ledger=self.ledger, journal=journal
            ).work(stop, lambda: report(len(self.rows) - self.num_done - len(self.failed)))

    def _sum_up(self, journal: Journal) -> None:
        """Writes the summary once in a run, by the first worker that finds all rows settled; the others
        wait."""
        with mutex(self.lock.journal, patience=SUMMARY_PATIENCE):
            self.ledger.read()
            if not self.ledger.is_summed_up:
                if self.ledger.dead:  # every row is settled, so no other worker writes pictures
                    remove_torn(self.output)
                write_summary(self.output, self.rows, self.ledger)
                journal.append({"summary": self.world.run}, flush=True)


def open_output(output: Path, world: World) -> WorkerLock:
    """Locks the folder for this worker, and makes the folder if it is missing.

    Raises:
        OutputError: it cannot be written to.
        OutputInUse: another run uses it.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"output is {output}, a file; give a folder")
    check_writable(output / JOURNAL)
    return WorkerLock(output / JOURNAL, world.worker, world.run)


def made_by(engine: Engine, *, enlarges: bool = False) -> str:
    """The content hash of the model, its adapters and, of pictures that it enlarges, its enlarger; the
    pictures of an exact engine have one of their own, since their bytes are no other's."""
    model = engine.model
    exact = ["exact"] if engine.exact else []
    enlarger = [model.enlarger.sha256 or model.enlarger.name] if enlarges else []
    return json.dumps([model.hash.result(), model.adapters.record(), *exact, *enlarger], sort_keys=True)


def keyed(rows: Sequence[Row], engine: Engine) -> dict[str, Row]:
    plain, enlarged = made_by(engine), made_by(engine, enlarges=True)
    return {row.key(enlarged if row.values.get("enlarge") else plain): row for row in rows}


def _by_size(manifest: Manifest, engine: Engine) -> list[Row]:
    """The rows, grouped by size, and otherwise in the manifest's order."""
    sizes: dict[str, tuple[int, ...]] = {}
    faults: list[Fault] = []
    ranks: list[tuple[int, ...]] = []
    for row in manifest.rows:
        kind = _kind(row)
        if kind not in sizes:
            try:
                resolved = engine.resolve(row.request())
                engine.plan(resolved)
            except RequestError as error:
                faults.append(Fault(row.line, str(error)))
                continue
            sizes[kind] = tuple(side or 0 for side in (*resolved.final_size, resolved.width, resolved.height))
        ranks.append(sizes[kind])
    if faults:
        raise ManifestError(manifest.path.name, faults)
    order = sorted(
        range(len(ranks)), key=lambda i: ranks[i], reverse=True
    )  # the largest first, so that a lack of memory shows early
    return [manifest.rows[i] for i in order]


def _kind(row: Row) -> str:
    """A key that is equal for rows that a model accepts or refuses for the same reasons."""
    text = repr(sorted((name, value) for name, value in row.values.items() if name not in _FREE))
    return hashlib.sha256(text.encode()).hexdigest()
