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
        bool, typer.Option("--json", help="The whole records, one JSON object a line, with `file`.")
    ] = False,
) -> None:
    """Show what made each FILE: a PNG of Limelight, or a PNG, JPEG or WebP of another program."""
    from limelight.pipeline.results.png import read_record

    num_bad = 0
    for file in files:
        try:
            record = read_record(file)
        except UsageError as error:  # the others are shown all the same
            num_bad += 1
            report.complain(str(error))
            continue
        if as_json:
            report.say_json({"file": str(file), **record})
        else:
            report.show_record(record, title=str(file) if len(files) > 1 else "")
    if num_bad:
        raise SystemExit(2)
