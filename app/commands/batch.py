"""`limelight batch`: draws a manifest into a folder, and reports its progress."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from limelight.app import lifetime, report
from limelight.app.commands.options import grouped, load_options, request_options
from limelight.app.load import LoadOptions, refusals
from limelight.app.log_file import logged
from limelight.app.progress import BatchProgress
from limelight.pipeline.batch.errors import OutputLost
from limelight.pipeline.batch.rows.expand import parse_matrix
from limelight.pipeline.batch.rows.file_names import Naming, naming_of
from limelight.pipeline.batch.rows.rows import Manifest, read_rows
from limelight.pipeline.batch.stop import Stop, Stopped
from limelight.pipeline.batch.world import World, device_of, join, rank_of_process
from limelight.pipeline.errors import UnknownName, UsageError
from limelight.pipeline.requests.fields import FIELDS

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.batch.run import Run

ENGINES = ("local", "ray")
MAX_BATCH = 1024  # pictures
MAX_WORKERS = 256
SHOWN = 10  # rows named one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """The options of the command.

    Attributes:
        defaults: fields for rows that do not set them.
    """

    manifest: Path
    output: Path
    load: LoadOptions = field(default_factory=LoadOptions)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    matrix: Sequence[str] = ()
    naming: Naming = "key"
    check: bool = False
    log: Path | None = None
    dry_run: bool = False
    max_batch: int | None = None
    workers: int | None = None
    engine: str = "local"
    address: str | None = None


@grouped
def batch(
    manifest: Annotated[Path, typer.Argument(help=".csv, .tsv, .jsonl, .parquet, or .txt with prompts.")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder; the same continues a run.")],
    load: Annotated[
        LoadOptions,
        load_options(
            *("model", "adapters", "variant", "vae", "attention", "device", "dtype", "offload", "exact"),
            "enlarger",
        ),
    ],
    fields: Annotated[Mapping[str, Any], request_options(optional=FIELDS)],
    matrix: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=V1,V2,... or FIELD=1..9: draw every row with every value; may be repeated."),
    ] = None,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also save where each word acted, in OUTPUT/maps.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="Check word by word whether each picture shows its prompt."),
    ] = False,
    names: Annotated[
        str, typer.Option(help="Names of the files: key, or prompt for 0001-a-red-apple.png.")
    ] = "key",
    log: Annotated[
        Path | None, typer.Option(help="A log file, to which messages, pictures and failures are appended.")
    ] = None,
    max_batch: Annotated[
        int | None, typer.Option(help="Pictures sampled together; as many as memory allows if omitted.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that draw, here or on a Ray cluster; the fastest number if omitted. Processes "
            "that a launcher has started count too."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray: workers on a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Ray cluster, ray://HOST:PORT or auto; this machine if omitted."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and report what would be drawn; draw nothing.")
    ] = False,
) -> None:
    """Draw every row of MANIFEST exactly once. Run the same command again to continue.

    Options that set fields of a request apply to rows that do not set them.
    """
    draw_manifest(
        BatchOptions(
            manifest=manifest,
            output=output,
            load=load,
            defaults={"record": "grid", **fields} if maps else fields,
            matrix=matrix or (),
            naming=naming_of(names),
            check=check,
            log=log,
            dry_run=dry_run,
            max_batch=max_batch,
            workers=workers,
            engine=engine,
            address=address,
        )
    )


def draw_manifest(options: BatchOptions) -> None:
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
    with logged(options.log), stop.listening():
        try:
            _run(options, stop)
        except Stopped:
            _stopped()


def _run(options: BatchOptions, stop: Stop) -> None:
    manifest = _read(options)
    is_first = rank_of_process() == 0
    if is_first and manifest.num_twins:
        report.complain(
            f"{manifest.num_twins} rows repeat another, with the same seed; their pictures are equal"
        )
    on_cluster = options.engine == "ray"
    # A process that does not draw must not refuse a backend that the others have.
    plain = replace(options.load, attention=None, device="cpu", dtype=None)
    here = replace(options, load=plain) if on_cluster else options
    world = World(run=token_hex(8), worker="driver") if on_cluster else join(options.workers)
    with (
        BatchProgress(len(manifest.rows), is_shown=is_first) as progress,
        _begun(here, manifest, world) as run,
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
                absolute = replace(
                    options,
                    manifest=options.manifest.resolve(),
                    output=options.output.resolve(),
                    log=options.log and options.log.resolve(),
                )
                run.draw_on_cluster(
                    partial(draw_part, absolute), stop, show, address=options.address, size=options.workers
                )
            else:
                _draw_here(options, run, stop, show)
        except OutputLost as error:
            report.fail(
                f"stopped: {error}; make room, or give the folder back, and run the same again", code=4
            )
    if stop.is_requested:
        _stopped(f"{run.num_done} of {len(run.rows)} pictures are whole")
    if is_first:
        _tell_end(run, run.num_done - before, time.monotonic() - started)
    if run.failed:
        raise SystemExit(3)


def _read(options: BatchOptions) -> Manifest:
    return read_rows(options.manifest, matrix=parse_matrix(options.matrix), defaults=options.defaults)


@contextmanager
def _begun(options: BatchOptions, manifest: Manifest, world: World) -> Iterator["Run"]:
    """Locks the folder, loads the model, and begins the run."""
    from limelight.pipeline.batch.capacity import find_max_rows
    from limelight.pipeline.batch.run import Run, open_output

    lock = open_output(options.output, world)
    try:
        if lock.recovered is not None:
            report.complain(f"process {lock.recovered.pid} left without finishing; going on from there")
        device = device_of(options.load.device, world)
        pipe = replace(options.load, device=device, max_rows=2 * (options.max_batch or 1)).load()
        with refusals():
            run = Run.begin(
                manifest, options.output, world, lock, pipe.engine, options.naming, checks=options.check
            )
        if options.max_batch is None and not options.dry_run and run.num_done < len(run.rows):
            pipe.engine.max_rows = find_max_rows(pipe.engine, next(iter(run.rows.values())).request())
        yield run
    finally:
        lock.leave()


def _draw_here(options: BatchOptions, run: "Run", stop: Stop, show: Callable[[int], None]) -> None:
    """Draws with the requested number of processes on this machine, or the fastest number."""
    is_fixed = options.load.device not in (None, "cpu")
    size = options.workers or (1 if options.load.offload else run.find_workers(is_device_named=is_fixed))
    for rank in run.draw_with_others(partial(_draw_as_worker, options), stop, show, size=size):
        report.complain(f"process {rank + 1} of {size} died; what it had begun was drawn by others")


def draw_part(options: BatchOptions, world: World, stop: Stop | None = None) -> None:
    """The work of one worker among several."""
    with logged(options.log), _begun(options, _read(options), world) as run:
        run.draw(stop or Stop(), lambda left: None)


def _draw_as_worker(options: BatchOptions, world: World, stop: Stop) -> None:
    lifetime.begin()
    report.set_up()
    draw_part(options, world, stop)


def _stopped(what: str = "nothing was drawn") -> NoReturn:
    report.fail(f"stopped; {what}; run the same again to go on", code=4)


def _tell_beginning(run: "Run") -> None:
    if run.num_missing:
        report.complain(f"pictures that are gone or were changed, drawn again: {run.num_missing}")
    if run.num_without_maps:
        report.complain(
            f"pictures of an earlier run without maps, drawn again for them: {run.num_without_maps}"
        )
    if run.ledger.num_torn:
        report.complain(f"incomplete lines of the journal, left out: {run.ledger.num_torn}")
    if run.removed:
        names = [str(line["file"]) for line in run.removed.values()]
        report.complain(f"pictures of rows that the manifest no longer has, kept: {_listed(names)}")


def _preview(run: "Run") -> str:
    total, done = len(run.rows), run.num_done
    return f"{total} pictures, {done} done, {total - done} to draw into {run.output}"


def _tell_end(run: "Run", drawn: int, seconds: float) -> None:
    if run.constant:
        names = [run.ledger.done[key]["file"] for key in run.constant]
        report.complain(f"pictures with a single colour: {_listed(names)}")
    failed = run.failed
    for key, why in list(failed.items())[:SHOWN]:
        report.complain(f"line {run.rows[key].line}: {why}")
    if len(failed) > SHOWN:
        report.complain(f"and {len(failed) - SHOWN} more failed")
    report.say(
        f"{run.num_done} of {len(run.rows)} pictures in {run.output}; {drawn} drawn in {seconds:.1f} s"
    )
    if (gallery := run.output / "index.html").is_file():
        report.say(f"gallery: {gallery.resolve().as_uri()}")
    if failed:
        raise SystemExit(3)


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
