"""`limelight replay`."""

from pathlib import Path
from typing import Annotated

import typer

from limelight.app import report
from limelight.app.commands.options import Attention, Device, Dtype, Offload, adapter_files
from limelight.pipeline.adapters.files import recorded_files
from limelight.pipeline.errors import UsageError


def replay(
    file: Path,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file or a folder.")] = Path(
        "outputs"
    ),
    model: Annotated[
        str | None, typer.Option(help="Where the model is; needed unless FILE was drawn with `default`.")
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option("--lora", help="Where a LoRA is that FILE was drawn with.")
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option("--embedding", help="Where a textual inversion is that FILE was drawn with."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="The image that FILE was made from.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The mask that FILE was made with.")] = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = False,
) -> None:
    """Draw FILE, a PNG saved by Limelight, again; one by AUTOMATIC1111's web UI as far as it can be."""
    from limelight.app.drawing import draw
    from limelight.pipeline.results.png import is_foreign, read_record, request_of

    record = read_record(file)
    request = request_of(record, image=image, mask=mask)
    made_by = record.get("model", {})
    if model is None and made_by.get("name") != "default":
        raise UsageError(f"{file} was drawn with {made_by.get('name')!r}; say where it is with --model")
    if is_foreign(record):
        report.tell_foreign(file, record)
    draw(
        [request],
        output,
        model=model or "default",
        attention=attention,
        device=device,
        dtype=dtype or record.get("dtype"),
        expected_hash=None if is_foreign(record) else made_by.get("hash"),
        adapters=recorded_files(record.get("adapters", []), adapter_files(lora, embedding)),
        offload=offload,
    )
