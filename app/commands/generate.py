"""`limelight generate`, and how it and `limelight replay` draw."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from limelight.app import report
from limelight.app.commands.options import grouped, load_options, request_options
from limelight.app.load import LoadOptions, refusals
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.fields import MAX_SEED
from limelight.pipeline.requests.request import GenerationRequest

RANDOM_SEEDS = min(2**32, MAX_SEED)
_ASKED = request_options(optional={"seed"}, help={"seed": "Of the initial noise; random if omitted; printed"})
_LOAD = load_options(
    "model", "adapters", "variant", "vae", "attention", "device", "dtype", "offload", "compile", "exact"
)


@grouped
def generate(
    prompt: str,
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .png file, or a folder for files named by content.")
    ] = Path("outputs"),
    fields: Annotated[Mapping[str, Any], _ASKED],
    load: Annotated[LoadOptions, _LOAD],
    count: Annotated[int, typer.Option(help="Pictures, with seeds SEED, SEED+1, ...")] = 1,
    maps: Annotated[
        Path | None, typer.Option(help="A folder for where each word acted: sheet, words, numbers, steps.")
    ] = None,
    expand: Annotated[
        bool,
        typer.Option("--expand", help="Let a language model add to PROMPT first, by SEED, and say what."),
    ] = False,
    expander: Annotated[
        str, typer.Option(help="For --expand: `default`, a folder of a causal language model, or a hub id.")
    ] = "default",
) -> None:
    """Draw PROMPT and say where the picture is."""
    seed = fields.get("seed", random.randrange(RANDOM_SEEDS))
    asked = {**fields, "prompt": prompt, "seed": seed, "record": "grid" if maps else False}
    request = GenerationRequest(**asked)
    requests = request.opened().repeated(count)
    if expand:
        expansion = _expanded(prompt, seed, expander, load.model)
        requests = [replace(each, prompt=expansion.text, expansion=expansion) for each in requests]
    draw(requests, output, load, maps=maps)


def _expanded(prompt: str, seed: int, expander: str, model: str) -> Expansion:
    """What a language model adds to the prompt of a picture that `model` draws.

    Raises:
        UsageError: one of the models cannot be loaded.
    """
    from transformers.utils import logging

    from limelight.pipeline.models.locate import locate_model
    from limelight.pipeline.text.expander import Expander
    from limelight.pipeline.text.vocabulary import Vocabulary

    logging.disable_progress_bar()  # of a load that takes a moment
    folder = locate_model(model)
    known = Vocabulary.read(folder) if folder.is_dir() else None
    expansion = Expander.from_pretrained(expander, vocabulary=known).expand(prompt, seed=seed)
    if expansion.added:
        report.say(f"prompt: {expansion.text}")
    else:
        report.say(f"prompt: {expansion.text}  (nothing was added)")
    return expansion


def draw(
    requests: Sequence[GenerationRequest],
    output: Path,
    load: LoadOptions,
    *,
    maps: Path | None = None,
    expected_hash: str | None = None,
) -> None:
    """Draws every request and saves each picture as soon as it is done.

    Args:
        output: a .png file, for a single request, or a folder.
        maps: a folder for where each word acted; the requests record.
        expected_hash: of the model's content; another one is refused before sampling.

    Raises:
        UsageError: something that was given cannot be used.
        SystemExit: 3 when pictures failed, 4 when stopped.
    """
    from rich.progress import TimeRemainingColumn

    from limelight.app.progress import Bar
    from limelight.pipeline.results.maps_export import export_maps
    from limelight.pipeline.results.png import check_writable

    is_file = _is_file(output, len(requests))
    check_writable(output.parent if is_file else output)
    if maps is not None:
        check_writable(maps)
    started, failed = time.monotonic(), 0
    made: dict[int, int] = {}  # predictions of each picture
    try:
        with Bar(TimeRemainingColumn(compact=True)) as bar:
            pipe = load.load()
            if expected_hash is not None and pipe.model.hash.result() != expected_hash:
                raise UsageError(
                    f"drawn with a model whose content hash is {expected_hash[:12]}; "
                    f"{load.model!r} has {pipe.model.hash.result()[:12]}"
                )
            with refusals():
                for request in requests:
                    pipe.engine.plan(request)
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
