"""`limelight vocabulary`."""

from typing import Annotated

import typer


def vocabulary(
    model: Annotated[str, typer.Option(help="`default`, or a folder that lists its words.")] = "default",
) -> None:
    """Show the words that a small MODEL was trained on."""
    from limelight.app.tables import show_vocabulary

    show_vocabulary(model)
