"""`limelight batch`: draws a manifest into a folder, and tells how far it is."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, NoReturn

from limelight.app import lifetime, report
from limelight.app.loading import load_pipeline, refusals
from limelight.app.progress import BatchProgress
from limelight.pipeline.adapters.files import AdapterFile
from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.rows.expand import parse_matrix
from limelight.pipeline.batch.rows.rows import Manifest, read_rows
from limelight.pipeline.batch.stop import Stop, Stopped
from limelight.pipeline.batch.world import Team, join, place_of_process
from limelight.pipeline.errors import UnknownName, UsageError

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.batch.run import Run

ENGINES = ("local", "ray")
MAX_BATCH = 1024  # pictures
MAX_WORKERS = 256
SHOWN = 10  # rows named one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What the command line asks for."""

    manifest: Path
    output: Path
    matrix: Sequence[str] = ()
    maps: bool = False
    dry_run: bool = False
    max_batch: int | None = None
    workers: int | None = None
    engine: str = "local"
    address: str | None = None
    model: str = "default"
    attention: str | None = None
    device: str | None = None
    dtype: str | None = None
    adapters: Sequence[AdapterFile] = ()
    offload: bool = False


def batch(options: BatchOptions) -> None:
    """Draws every row that has no picture yet.

    Raises:
        UsageError: the manifest, the folder or the model cannot be used; nothing was drawn.
        SystemExit: 3 when rows failed, 4 when stopped; running the same again goes on.
    """
    if options.engine not in ENGINES:
        raise UnknownName("engine", options.engine, ENGINES)
    if options.max_batch is not None and not 1 <= options.max_batch <= MAX_BATCH:
        raise UsageError(f"max-batch is {options.max_batch}; must be from 1 to {MAX_BATCH}")
    if options.workers is not None and not 1 <= options.workers <= MAX_WORKERS:
        raise UsageError(f"workers is {options.workers}; must be from 1 to {MAX_WORKERS}")
    stop = Stop()
    with stop.listening():
        try:
            _run(options, stop)
        except Stopped:
            _stopped()


def _run(options: BatchOptions, stop: Stop) -> None:
    manifest = _read(options)
    is_first = place_of_process() == 0
    if is_first and manifest.num_twins:
        report.complain(f"{manifest.num_twins} rows ask for what another does; each gets its own picture")
    on_cluster = options.engine == "ray"
    # What does not draw itself must not refuse a backend that others have.
    here = replace(options, attention=None, device="cpu", dtype=None) if on_cluster else options
    team = Team(run=token_hex(8), worker="driver") if on_cluster else join(options.workers)
    with (
        BatchProgress(len(manifest.rows), is_shown=is_first) as progress,
        _begun(here, manifest, team) as run,
    ):
        if is_first:
            _tell_beginning(run)
        if options.dry_run:
            if is_first:
                report.say(_preview(run))
            return
        progress.begin(run.num_done)
        started, before = time.monotonic(), run.num_done

        def show(left: int) -> None:
            progress.show(left, len(run.failed))

        try:
            if on_cluster:
                _draw_on_cluster(options, run, stop, show)
            else:
                with _helped(options, run, stop):
                    run.draw(stop, show)
        except OutputLost as error:
            report.fail(
                f"stopped: {error}; make room, or give the folder back, and run the same again", code=4
            )
    if stop.is_asked:
        _stopped(f"{run.num_done} of {len(run.rows)} pictures are whole")
    if is_first:
        _tell_end(run, run.num_done - before, time.monotonic() - started)
    if run.failed:
        raise SystemExit(3)


def _read(options: BatchOptions) -> Manifest:
    return read_rows(options.manifest, matrix=parse_matrix(options.matrix), maps=options.maps)


@contextmanager
def _begun(options: BatchOptions, manifest: Manifest, team: Team) -> Iterator["Run"]:
    """A place in the folder, and a model that can draw the manifest."""
    from limelight.pipeline.batch.capacity import find_max_rows
    from limelight.pipeline.batch.run import Run, open_output

    seat = open_output(options.output, team)
    try:
        if seat.recovered is not None:
            report.complain(f"process {seat.recovered.pid} left without finishing; going on from there")
        pipe = load_pipeline(
            options.model,
            attention=options.attention,
            device=device_of(options.device, team),
            dtype=options.dtype,
            adapters=options.adapters,
            offload=options.offload,
            max_rows=2 * (options.max_batch or 1),
        )
        with refusals():
            run = Run.begin(manifest, options.output, team, seat, pipe.engine)
        if options.max_batch is None and not options.dry_run and run.num_done < len(run.rows):
            pipe.engine.max_rows = find_max_rows(pipe.engine, next(iter(run.rows.values())).request())
        yield run
    finally:
        seat.leave()


@contextmanager
def _helped(options: BatchOptions, run: "Run", stop: Stop) -> Iterator[None]:
    """Further processes of this machine beside this one, where they pay or were asked for."""
    import torch

    from limelight.pipeline.batch.capacity import find_workers
    from limelight.pipeline.batch.processes import Helpers

    size = options.workers or (1 if options.offload else None)
    if size is None:
        is_fixed = options.device is not None and options.device != "cpu"
        size = find_workers(run.engine.model, len(run.rows) - run.num_done, is_device_named=is_fixed)
    if run.team.size > 1 or size == 1:
        yield
        return
    run.team = replace(run.team, size=size)
    num_threads = 0
    if run.engine.model.unet.device.type == "cpu":
        num_threads = max(1, torch.get_num_threads() // size)
        torch.set_num_threads(num_threads)
    with Helpers(partial(_draw_beside, options), run.team, stop, num_threads) as helpers:
        yield
    run.ledger.read()
    for place in helpers.died:
        report.complain(f"process {place + 1} of {size} died; what it had begun was drawn by others")


def _draw_on_cluster(options: BatchOptions, run: "Run", stop: Stop, show: Callable[[int], None]) -> None:
    from limelight.pipeline.batch.journal import Journal
    from limelight.pipeline.batch.ray_cluster import Cluster

    absolute = replace(options, manifest=options.manifest.resolve(), output=options.output.resolve())
    with Journal(run.seat.journal / "driver.jsonl") as journal:
        Cluster(
            address=options.address,
            size=options.workers,
            run=run.team.run,
            draw=partial(draw_part, absolute),
            ledger=run.ledger,
            journal=journal,
        ).work(stop, lambda: show(len(run.rows) - run.num_done - len(run.failed)))


def draw_part(options: BatchOptions, team: Team, stop: Stop | None = None) -> None:
    """One worker's part of a run of several."""
    with _begun(options, _read(options), team) as run:
        run.draw(stop or Stop(), lambda left: None)


def _draw_beside(options: BatchOptions, team: Team, stop: Stop) -> None:
    lifetime.begin()
    report.set_up()
    draw_part(options, team, stop)


def device_of(device: str | None, team: Team) -> str | None:
    """Each process on a machine takes a GPU of its own, where there are any."""
    import torch

    if device is None and team.size > 1 and torch.cuda.is_available():
        return f"cuda:{team.local_place % torch.cuda.device_count()}"
    return device


def _stopped(what: str = "nothing was drawn") -> NoReturn:
    report.fail(f"stopped; {what}; run the same again to go on", code=4)


def _tell_beginning(run: "Run") -> None:
    if run.num_missing:
        report.complain(f"pictures that are gone or were changed, drawn again: {run.num_missing}")
    if run.ledger.num_torn:
        report.complain(f"torn lines of the journal, left out: {run.ledger.num_torn}")
    if run.removed:
        names = [str(line["file"]) for line in run.removed.values()]
        report.complain(f"pictures of rows that the manifest no longer has, kept: {_listed(names)}")


def _preview(run: "Run") -> str:
    total, done = len(run.rows), run.num_done
    return f"{total} pictures, {done} done, {total - done} to draw into {run.output}"


def _tell_end(run: "Run", drawn: int, seconds: float) -> None:
    if run.constant:
        names = [run.ledger.done[key]["file"] for key in run.constant]
        report.complain(f"pictures of one colour: {_listed(names)}")
    failed = run.failed
    for key, why in list(failed.items())[:SHOWN]:
        report.complain(f"line {run.rows[key].line}: {why}")
    if len(failed) > SHOWN:
        report.complain(f"and {len(failed) - SHOWN} more failed")
    report.say(
        f"{run.num_done} of {len(run.rows)} pictures in {run.output}; {drawn} drawn in {seconds:.1f} s"
    )
    if failed:
        raise SystemExit(3)


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
