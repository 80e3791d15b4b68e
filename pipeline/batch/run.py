"""One worker's part in a run: what is there already, what is left, and drawing it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from limelight.pipeline.atomic import remove_torn
from limelight.pipeline.batch.capacity import find_workers
from limelight.pipeline.batch.claims import Share
from limelight.pipeline.batch.errors import Fault, ManifestError
from limelight.pipeline.batch.journal import Journal, Ledger
from limelight.pipeline.batch.lock import Owner, Seat, mutex
from limelight.pipeline.batch.processes import Helpers
from limelight.pipeline.batch.ray_cluster import Cluster
from limelight.pipeline.batch.rows.file_names import FileNames, Naming
from limelight.pipeline.batch.rows.rows import Manifest, Row
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.summary.summary import write_summary
from limelight.pipeline.batch.worker import Worker
from limelight.pipeline.batch.world import Team
from limelight.pipeline.batch.writer import Writer
from limelight.pipeline.errors import OutputError, RequestError
from limelight.pipeline.results.png import check_writable
from limelight.pipeline.sampling.engine import Engine

JOURNAL = "journal"
SUMMARY_PATIENCE = 3600.0  # seconds; of a million pictures it takes minutes
_FREE = {"prompt", "negative_prompt", "seed"}  # fields that no model refuses


@dataclass(slots=True)
class Run:
    """A manifest, a folder, and a model to draw the one into the other.

    Attributes:
        rows: by key, in the order in which they are drawn best: those of one size together.
        ledger: of the folder.
        naming: of the files of pictures that have none yet.
        num_missing: pictures of earlier runs that somebody took away or changed.
        num_without_maps: pictures of earlier runs that recorded nothing; they are drawn again for their maps.
    """

    manifest: Manifest
    output: Path
    team: Team
    seat: Seat
    engine: Engine
    rows: Mapping[str, Row]
    ledger: Ledger
    naming: Naming
    num_missing: int
    num_without_maps: int

    @classmethod
    def begin(
        cls,
        manifest: Manifest,
        output: Path,
        team: Team,
        seat: Seat,
        engine: Engine,
        naming: Naming = "key",
    ) -> "Run":
        """Checks every row against the model, and looks up what is done.

        Raises:
            ManifestError: the model cannot do what rows ask for; all are named.
            BackendRefused: their attention cannot be computed.
        """
        rows = keyed(_by_size(manifest, engine), made_by(engine))
        ledger = Ledger(output / JOURNAL, team.run)
        ledger.read()
        missing = ledger.forget_missing(output)
        without = ledger.forget(
            [key for key, row in rows.items() if row.values.get("record")], without="maps"
        )
        return cls(manifest, output, team, seat, engine, rows, ledger, naming, missing, without)

    @property
    def num_done(self) -> int:
        return len(self.ledger.done.keys() & self.rows.keys())

    @property
    def failed(self) -> dict[str, str]:
        """Why, of each row that has no picture."""
        return {key: why for key, why in self.ledger.failed.items() if key in self.rows}

    @property
    def constant(self) -> list[str]:
        """Rows whose pictures are of one colour."""
        return [key for key in self.rows if self.ledger.done.get(key, {}).get("is_constant")]

    @property
    def removed(self) -> dict[str, Mapping[str, Any]]:
        """Pictures in the folder that are of no row (any more)."""
        return {key: line for key, line in self.ledger.done.items() if key not in self.rows}

    def draw(self, stop: Stop, report: Callable[[int], None]) -> None:
        """Draws until no row is left, here or at other workers, or until it is asked to stop.

        Raises:
            OutputLost: the folder is full, or gone.
        """
        with Journal(self.output / JOURNAL / f"{self.team.worker}.jsonl") as journal:
            owner = Owner.me(self.team.run)
            journal.append({"begin": self.team.run, "pid": owner.pid, "host": owner.host}, flush=True)
            share = Share(self.ledger, journal, self.seat, self.team, list(self.rows))
            writer = Writer(self.output, journal)
            names = FileNames(self.output, len(self.rows), dict(self.ledger.files), self.naming)
            try:
                Worker(self.engine, self.rows, share, self.ledger, writer, stop, names, report).run()
            finally:
                self.ledger.read()
            if not stop.is_asked:
                self._sum_up(journal)

    def find_workers(self, *, is_device_named: bool) -> int:
        """How many processes of this machine draw what is left fastest; in an exact run, all rows: so each
        process has as many threads, however often the run was stopped."""
        num_rows = len(self.rows) if self.engine.exact else len(self.rows) - self.num_done
        return find_workers(self.engine.model, num_rows, is_device_named=is_device_named)

    def draw_with_others(
        self, draw: Callable[[Team, Stop], None], stop: Stop, report: Callable[[int], None], *, size: int
    ) -> list[int]:
        """As `draw`, with `size` processes of this machine, this one among them; a launcher's are enough.

        Args:
            draw: what each of the others does; can be pickled.

        Returns:
            The places of those that died; what they had begun was drawn by others.
        """
        if self.team.size > 1 or size == 1:
            self.draw(stop, report)
            return []
        self.team = replace(self.team, size=size)
        num_threads = 0
        if self.engine.model.unet.device.type == "cpu":
            num_threads = max(1, torch.get_num_threads() // size)
            torch.set_num_threads(num_threads)
        with Helpers(draw, self.team, stop, num_threads) as helpers:
            self.draw(stop, report)
        self.ledger.read()
        return helpers.died

    def draw_on_cluster(
        self,
        draw: Callable[[Team], None],
        stop: Stop,
        report: Callable[[int], None],
        *,
        address: str | None,
        size: int | None,
    ) -> None:
        """Lets workers on a Ray cluster draw, and waits for them; the arguments are those of `Cluster`."""
        with Journal(self.seat.journal / "driver.jsonl") as journal:
            Cluster(
                address=address, size=size, run=self.team.run, draw=draw, ledger=self.ledger, journal=journal
            ).work(stop, lambda: report(len(self.rows) - self.num_done - len(self.failed)))

    def _sum_up(self, journal: Journal) -> None:
        """Once a run, by the first worker that finds everything settled, while the others wait."""
        with mutex(self.seat.journal, patience=SUMMARY_PATIENCE):
            self.ledger.read()
            if not self.ledger.is_summed_up:
                if self.ledger.dead:  # and with every row settled, no other writes pictures
                    remove_torn(self.output)
                write_summary(self.output, self.rows, self.ledger)
                journal.append({"summary": self.team.run}, flush=True)


def open_output(output: Path, team: Team) -> Seat:
    """Takes a place in the folder, which is made if it is missing.

    Raises:
        OutputError: it cannot be written to.
        OutputInUse: another run draws into it.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"output is {output}, a file; give a folder")
    check_writable(output / JOURNAL)
    return Seat(output / JOURNAL, team.worker, team.run)


def made_by(engine: Engine) -> str:
    """The content hash of everything that draws; pictures of an exact engine are no other's, bit for bit."""
    model = engine.model
    exact = ["exact"] if engine.exact else []
    return json.dumps([model.hash.result(), model.adapters.record(), *exact], sort_keys=True)


def keyed(rows: Sequence[Row], made_by: str) -> dict[str, Row]:
    return {row.key(made_by): row for row in rows}


def _by_size(manifest: Manifest, engine: Engine) -> list[Row]:
    """The rows, those of one size together, in the manifest's order otherwise."""
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
    )  # largest first: memory fails early
    return [manifest.rows[i] for i in order]


def _kind(row: Row) -> str:
    """Equal for rows that a model refuses or draws alike."""
    text = repr(sorted((name, value) for name, value in row.values.items() if name not in _FREE))
    return hashlib.sha256(text.encode()).hexdigest()
