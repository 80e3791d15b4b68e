"""`limelight edit`."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from limelight.app.commands.generate import as_drawn, draw, with_words
from limelight.app.commands.options import DEFAULTS, grouped, load_options, request_options
from limelight.app.commands.usual_size import readable_size, usual_size_of
from limelight.app.load import LoadOptions
from limelight.pipeline.adapters.files import recorded_files
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS
from limelight.pipeline.requests.request import GenerationRequest

_LOAD = load_options("adapters", "variant", "vae", "attention", "device", "dtype", "offload", "enlarger")
_CHANGES = request_options(("scale_words", "blend_words"))
_OF_IMAGE = request_options(
    ("edit_of", "num_steps", "guidance_scale", "negative_prompt", "width", "height"),
    optional=("num_steps", "negative_prompt"),
    help={
        "edit_of": "What FILE shows. It is then edited as an image, whatever it holds: turned into noise, "
        "and drawn again from there"
    },
)


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
    of_image: Annotated[Mapping[str, Any], _OF_IMAGE],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file or a folder.")] = Path(
        "outputs"
    ),
    model: Annotated[
        str | None, typer.Option(help="The model; needed unless FILE was drawn with `default`.")
    ] = None,
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Draw FILE, a PNG saved by Limelight, again with the words of PROMPT, and keep the rest of it.

    If FILE is an edit itself, PROMPT edits the picture that it was made from. Any other image can be edited
    too: --edit-of says what it shows.
    """
    fields = {"prompt": with_words(prompt), "keep": keep, "blend": blend, **changes}
    if "edit_of" in of_image:
        if not of_image["edit_of"].strip():
            raise UsageError(f"--edit-of is empty; say what {file} shows")
        image = as_drawn({"image": file}).get("image", file)
        asked = {**fields, **of_image, "image": image}
        completed = [each for each in (usual_size_of(asked),) if each is not None]
        used = replace(load, model=model or "default")
        draw([GenerationRequest(**readable_size(asked))], output, used, completed)
        return
    if of_image:
        options = ", ".join(dict.fromkeys(FIELDS[name].option for name in of_image))
        raise UsageError(
            f"{options} given without --edit-of; {file} keeps what its record says: leave {options} out, or "
            "say what it shows with --edit-of"
        )
    record = _record(file)
    made_by = record.get("model", {})
    if model is None and made_by.get("name") != "default":
        raise UsageError(f"{file} was drawn with {made_by.get('name')!r}; say where it is with --model")
    used = replace(
        load,
        model=model or "default",
        dtype=load.dtype or record.get("dtype"),
        adapters=recorded_files(record.get("adapters", []), load.adapters),
    )
    draw([_changed(record, file, fields)], output, used)


def _record(file: Path) -> dict[str, Any]:
    """The record of a picture that Limelight drew from words.

    Raises:
        UsageError: the file is none; the message says how to edit it as an image.
    """
    from limelight.pipeline.results.png import NoRecord, is_foreign, read_record

    remedy = f'to edit it as an image, say what it shows: limelight edit {file} "PROMPT" --edit-of "..."'
    try:
        record = read_record(file)
    except NoRecord as error:
        raise UsageError(f"{error}; {remedy}" if file.is_file() else str(error)) from None
    if is_foreign(record):
        raise UsageError(f"{file} was drawn by another program; {remedy}")
    if record["request"].get("image") is not None:
        raise UsageError(f"{file} was made from an image, which it does not hold; {remedy}")
    return record


def _changed(record: Mapping[str, Any], file: Path, fields: Mapping[str, Any]) -> GenerationRequest:
    """The request in a record as an edit of its picture."""
    from limelight.pipeline.results.png import request_of

    base = request_of(record)
    if base.scale_words and base.edit_of is None:
        raise UsageError(f"{file} was drawn with scale_words, which an edit does not keep; draw it without")
    kept = {"edit_of": base.edit_of or base.prompt, "scale_words": (), "blend_words": ()}
    return replace(base, **(kept | dict(fields)), expansion=None)
