"""`limelight ui`."""

from typing import Annotated

import typer

from limelight.app.commands.options import Attention, Device, Dtype


def ui(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model that the page offers, the first by default; may be repeated."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 7860,
    auth: Annotated[
        list[str] | None,
        typer.Option(
            "--auth", help="USER:PASSWORD, who may come in; may be repeated.", envvar="LIMELIGHT_AUTH"
        ),
    ] = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Open the page: pictures that form, and words that light up."""
    from limelight.app.serving import serve

    serve(
        model or ["default"],
        host=host,
        port=port,
        auth=auth or [],
        attention=attention,
        device=device,
        dtype=dtype,
    )
