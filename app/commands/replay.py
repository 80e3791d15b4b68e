"""`limelight replay`."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from limelight.app import report
from limelight.app.commands.generate import as_drawn, drawn, is_file, stopping
from limelight.app.commands.options import grouped, load_options, request_options
from limelight.app.load import LoadOptions
from limelight.files import open_regular
from limelight.pipeline.adapters.files import recorded_files
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.fields import FIELDS, IMAGES
from limelight.pipeline.results.png import enlarge_to_view, viewed_by

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
    "enlarger",
    help={
        "lora": "A LoRA that FILE was drawn with.",
        "embedding": "A textual inversion that FILE was drawn with.",
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
        str | None, typer.Option(help="The model; needed unless FILE was drawn with `default`.")
    ] = None,
    files: Annotated[Mapping[str, Any], _FILES],
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Draw FILE, a PNG by Limelight, again, and report whether the pixels are equal. A picture by another
    program is drawn as similarly as possible. No file is overwritten."""
    from limelight.pipeline.results.png import is_foreign, read_record, request_of

    record = read_record(file)
    request = request_of(record, **{**files, **as_drawn(files)})
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
    check = None if is_foreign(record) else made_by.get("hash")
    target = _target(output)
    with stopping():
        result = next(drawn([request], used, expected_hash=check), None)
        if result is None:
            raise SystemExit(3)
        is_drawn = record.get("enlarged") == result.info.get("enlarged")
        again = result if is_drawn else enlarge_to_view(result, viewed_by(record))
        path = again.save(target if is_file(target, 1) else _free(target / again.file_name))
    report.say(f"{path}  (seed {request.seed}; {compared(file, again.image)})")


def compared(file: Path, image: Image.Image) -> str:
    """A sentence about the differences between a picture and the one in a file."""
    with open_regular(file) as opened, Image.open(opened) as old:
        if old.size != image.size:
            return f"not the size of {file}, which is {old.width}x{old.height}"
        before, after = (np.asarray(each.convert("RGB"), np.int16) for each in (old, image))
    different = (before != after).any(-1)
    if not different.any():
        return f"the same pixels as {file}"
    most = int(np.abs(before - after).max())
    return f"{different.mean():.1%} of the pixels differ from {file}, by at most {most} of 255"


def _target(output: Path) -> Path:
    """The folder or the .png file to write.

    Raises:
        OutputError: it is neither, or a file that exists already.
    """
    from limelight.pipeline.results.png import check_writable

    one_file = is_file(output, 1)
    check_writable(output.parent if one_file else output)
    if one_file and output.exists():
        raise OutputError(f"output is {output}, which exists; replay overwrites nothing: give another name")
    return output


def _free(path: Path) -> Path:
    """The path, or the first free one of `x-2.png`, `x-3.png`, ..."""
    others = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], others) if not each.exists())
