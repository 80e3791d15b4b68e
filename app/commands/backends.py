"""`limelight backends`."""

from typing import Annotated

import typer

from limelight.app.commands.options import Attention, Device, Dtype
from limelight.pipeline.requests.request import GenerationRequest


def backends(
    model: Annotated[
        str | None, typer.Option(help="Also show the plan for this model, site by site.")
    ] = None,
    width: Annotated[int | None, typer.Option(help="Of the planned picture, in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Of the planned picture, in pixels.")] = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Show which attention backends run here, which do not, and why."""
    from limelight.app.tables import show_backends, show_plan

    show_backends(device=device, dtype=dtype)
    if model is not None:
        request = GenerationRequest(prompt="", width=width, height=height)
        show_plan(request, model=model, attention=attention, device=device, dtype=dtype)
