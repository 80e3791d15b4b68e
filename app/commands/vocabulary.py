"""`limelight vocabulary`."""

from typing import Annotated

import typer


def vocabulary(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Words or phrases to look up: is each known, and if not, what is near?"),
    ] = None,
    model: Annotated[str, typer.Option(help="`default`, or a folder that lists its words.")] = "default",
) -> None:
    """Show the words that a small MODEL was trained on, or look up WORDS."""
    from limelight.app.tables import look_up, show_vocabulary

    if words:
        look_up(words, model)
    else:
        show_vocabulary(model)
