"""Draws requests for the command line: checks first, then a progress bar, then where the pictures are."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.progress import TimeRemainingColumn

from limelight.app import report
from limelight.app.loading import check_plans, load_pipeline
from limelight.app.progress import Bar
from limelight.pipeline.adapters.files import AdapterFile
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.maps_export import export_maps
from limelight.pipeline.results.png import check_writable


def draw(
    requests: Sequence[GenerationRequest],
    output: Path,
    *,
    maps: Path | None = None,
    model: str,
    attention: str | None,
    device: str | None,
    dtype: str | None,
    expected_hash: str | None = None,
    adapters: Sequence[AdapterFile] = (),
    offload: bool = False,
    exact: bool = False,
) -> None:
    """Draws every request and saves each picture as soon as it is done.

    Args:
        output: a .png file, for a single request, or a folder.
        maps: a folder for where each word acted; the requests record.
        adapters: LoRAs and textual inversions to draw with.
        offload: bring each part of the model to the device only while it is at work.
        exact: the same pixels bit for bit, however many are drawn.
        expected_hash: of the model's content; another one is refused before sampling.

    Raises:
        UsageError: something that was given cannot be used.
        SystemExit: 3 when pictures failed, 4 when stopped.
    """
    is_file = _is_file(output, len(requests))
    check_writable(output.parent if is_file else output)
    if maps is not None:
        check_writable(maps)
    started, failed = time.monotonic(), 0
    made: dict[int, int] = {}  # predictions of each picture
    try:
        with Bar(TimeRemainingColumn(compact=True)) as bar:
            pipe = load_pipeline(
                model,
                attention=attention,
                device=device,
                dtype=dtype,
                adapters=adapters,
                offload=offload,
                exact=exact,
            )
            if expected_hash is not None and pipe.model.hash.result() != expected_hash:
                raise UsageError(
                    f"drawn with a model whose content hash is {expected_hash[:12]}; "
                    f"{model!r} has {pipe.model.hash.result()[:12]}"
                )
            check_plans(pipe, requests)
            for step in pipe.stream(requests):
                made[step.id] = step.count if step.error is not None else step.index
                bar.show(sum(made.values()), step.count * len(requests))
                if step.error is not None:
                    failed += 1
                    report.complain(f"seed {step.request.seed}: {step.error}")
                elif step.result is not None:
                    path = step.result.save(output if is_file else output / step.result.file_name)
                    report.say(f"{path}  (seed {step.request.seed})")
                    if maps is not None:
                        report.say(f"{export_maps(step.result, maps)[0]}  (where each word acted)")
                    if step.result.info["is_constant"]:
                        report.complain(f"seed {step.request.seed}: the picture is of one colour")
    except KeyboardInterrupt:
        report.fail("stopped; the pictures named above are whole", code=4)
    drawn = len(requests) - failed
    report.say(f"{drawn} of {len(requests)} pictures in {time.monotonic() - started:.1f} s")
    if failed:
        raise SystemExit(3)


def _is_file(output: Path, count: int) -> bool:
    """Whether `output` means a file rather than a folder.

    Raises:
        OutputError: it is neither a .png file nor a folder, or it is one file for several pictures.
    """
    if output.is_dir() or not output.suffix:
        return False
    if output.suffix.lower() != ".png":
        raise OutputError(f"output is {output}; must be a .png file or a folder")
    if count > 1:
        raise OutputError(f"output is one file, {output}, for {count} pictures; give a folder")
    return True
