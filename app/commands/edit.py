"""`limelight edit`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from limelight.app.commands.generate import draw
from limelight.app.commands.options import DEFAULTS, grouped, load_options, request_options
from limelight.app.load import LoadOptions
from limelight.pipeline.adapters.files import recorded_files
from limelight.pipeline.errors import UsageError

_LOAD = load_options("adapters", "variant", "vae", "attention", "device", "dtype", "offload")
_CHANGES = request_options(("scale_words", "blend_words"))


@grouped
def edit(
    file: Path,
    prompt: str,
    *,
    keep: Annotated[
        str,
        typer.Option(help="cross,self: fractions of the steps until which FILE's attention is kept."),
    ] = ",".join(map(str, DEFAULTS["keep"])),
    blend: Annotated[
        str,
        typer.Option(
            help="threshold,start, for --blend-word: a word's place is where its map is above this part of "
            "its maximum; the rest stays unchanged after this fraction of the steps."
        ),
    ] = ",".join(map(str, DEFAULTS["blend"])),
    changes: Annotated[Mapping[str, Any], _CHANGES],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file or a folder.")] = Path(
        "outputs"
    ),
    model: Annotated[
        str | None, typer.Option(help="The model; needed unless FILE was drawn with `default`.")
    ] = None,
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Draw FILE, a PNG saved by Limelight, again with the words of PROMPT, and keep the rest of it.

    If FILE is an edit itself, PROMPT edits the picture that it was made from.
    """
    from limelight.pipeline.results.png import is_foreign, read_record, request_of

    record = read_record(file)
    if is_foreign(record):
        raise UsageError(f"{file} was drawn by another program; an edit needs one that Limelight drew")
    made_by = record.get("model", {})
    if model is None and made_by.get("name") != "default":
        raise UsageError(f"{file} was drawn with {made_by.get('name')!r}; say where it is with --model")
    base = request_of(record)
    if base.scale_words and base.edit_of is None:
        raise UsageError(f"{file} was drawn with scale_words, which an edit does not keep; draw it without")
    fields = {"prompt": prompt, "edit_of": base.edit_of or base.prompt, "keep": keep, "blend": blend}
    asked = replace(base, **{"scale_words": (), "blend_words": (), **fields, **changes}, expansion=None)
    used = replace(
        load,
        model=model or "default",
        dtype=load.dtype or record.get("dtype"),
        adapters=recorded_files(record.get("adapters", []), load.adapters),
    )
    draw([asked], output, used)
