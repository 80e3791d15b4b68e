"""`limelight backends`."""

from dataclasses import replace
from typing import Annotated

import typer

from limelight.app.commands.options import grouped, load_options
from limelight.app.load import LoadOptions
from limelight.pipeline.requests.request import GenerationRequest


@grouped
def backends(
    *,
    model: Annotated[
        str | None, typer.Option(help="Also show the plan for this model, site by site.")
    ] = None,
    load: Annotated[LoadOptions, load_options("variant", "attention", "device", "dtype")],
    width: Annotated[int | None, typer.Option(help="Width of the planned picture, in pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="Height of the planned picture, in pixels.")] = None,
) -> None:
    """Show which attention backends run here, which do not, and why."""
    from limelight.app.tables import show_backends, show_plan

    show_backends(load)
    if model is not None:
        show_plan(GenerationRequest(prompt="", width=width, height=height), replace(load, model=model))
