"""`limelight inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from limelight.app import report
from limelight.pipeline.errors import UsageError


def inspect(
    files: Annotated[list[Path], typer.Argument(help="Pictures.", metavar="FILE...", show_default=False)],
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print whole records: one line of JSON for each, with `file`.")
    ] = False,
) -> None:
    """Show the record of each FILE: a PNG by Limelight, or a PNG, JPEG or WebP by another program."""
    from limelight.pipeline.results.png import read_record

    num_bad = 0
    for file in files:
        try:
            record = read_record(file)
        except UsageError as error:  # the other files are still shown
            num_bad += 1
            report.complain(str(error))
            continue
        if as_json:
            report.say_json({"file": str(file), **record})
        else:
            report.show_record(record, title=str(file) if len(files) > 1 else "")
    if num_bad:
        raise SystemExit(2)
