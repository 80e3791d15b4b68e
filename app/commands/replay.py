"""`limelight replay`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from limelight.app import report
from limelight.app.commands.generate import draw
from limelight.app.commands.options import grouped, load_options, request_options
from limelight.app.load import LoadOptions
from limelight.pipeline.adapters.files import recorded_files
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS, IMAGES

_FILES = request_options(
    IMAGES, help={name: f"The {FIELDS[name].label.lower()} that FILE was made with" for name in IMAGES}
)
_LOAD = load_options(
    "adapters",
    "variant",
    "vae",
    "attention",
    "device",
    "dtype",
    "offload",
    help={
        "lora": "Where a LoRA is that FILE was drawn with.",
        "embedding": "Where a textual inversion is that FILE was drawn with.",
    },
)


@grouped
def replay(
    file: Path,
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file or a folder.")] = Path(
        "outputs"
    ),
    model: Annotated[
        str | None, typer.Option(help="Where the model is; needed unless FILE was drawn with `default`.")
    ] = None,
    files: Annotated[Mapping[str, Any], _FILES],
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Draw FILE, a PNG saved by Limelight, again; one by AUTOMATIC1111's web UI as far as it can be."""
    from limelight.pipeline.results.png import is_foreign, read_record, request_of

    record = read_record(file)
    request = request_of(record, **files)
    made_by = record.get("model", {})
    if model is None and made_by.get("name") != "default":
        raise UsageError(f"{file} was drawn with {made_by.get('name')!r}; say where it is with --model")
    if is_foreign(record):
        report.tell_foreign(file, record)
    used = replace(
        load,
        model=model or "default",
        dtype=load.dtype or record.get("dtype"),
        adapters=recorded_files(record.get("adapters", []), load.adapters),
    )
    draw([request], output, used, expected_hash=None if is_foreign(record) else made_by.get("hash"))
