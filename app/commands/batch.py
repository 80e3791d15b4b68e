"""`limelight batch`."""

from pathlib import Path
from typing import Annotated

import typer

from limelight.app.commands.options import (
    Attention,
    Device,
    Dtype,
    Embeddings,
    Loras,
    Model,
    Offload,
    adapter_files,
)


def batch(
    manifest: Annotated[Path, typer.Argument(help=".csv, .tsv, .jsonl, .parquet, or .txt with prompts.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder; to go on, the same again.")],
    model: Model = "default",
    matrix: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=V1,V2,... or FIELD=1..9: every row with every value; may be repeated."),
    ] = None,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also where each word acted, into OUTPUT/maps.")
    ] = False,
    max_batch: Annotated[
        int | None, typer.Option(help="Pictures sampled together; as memory allows if not given.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that draw, here or on Ray's cluster; as many as pay if not given. A launcher's "
            "processes are counted."
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray: workers on a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster, ray://HOST:PORT or auto; this machine if not given."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, and say what there is to draw; draw nothing.")
    ] = False,
    lora: Loras = None,
    embedding: Embeddings = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = False,
) -> None:
    """Draw every row of MANIFEST, each once whatever happens; run the same again to go on."""
    from limelight.app.batch import BatchOptions
    from limelight.app.batch import batch as draw_batch

    draw_batch(
        BatchOptions(
            manifest=manifest,
            output=output,
            matrix=matrix or (),
            maps=maps,
            dry_run=dry_run,
            max_batch=max_batch,
            workers=workers,
            engine=engine,
            address=address,
            model=model,
            attention=attention,
            device=device,
            dtype=dtype,
            adapters=adapter_files(lora, embedding),
            offload=offload,
        )
    )
