"""`limelight check`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from limelight.app import report
from limelight.app.commands.options import grouped, load_options
from limelight.app.load import LoadOptions
from limelight.pipeline.errors import UsageError

FITS, FAILS = 0.9, 0.5  # scores from which a word fits, and under which it does not
_LOAD = load_options("model", "adapters", "variant", "vae", "attention", "device", "dtype", "offload")


@grouped
def check(
    picture: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    *,
    prompt: Annotated[
        str | None,
        typer.Option(help="What it should show; the prompt in the picture's record if omitted."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON.")] = False,
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Check word by word whether PICTURE shows what its prompt says, as the model sees it."""
    from limelight.pipeline.errors import PictureError
    from limelight.pipeline.results.png import drawn_image

    text = prompt if prompt is not None else recorded_prompt(picture)
    shown = drawn_image(picture) or picture
    pipe = load.load()
    try:
        found = pipe.check(shown, text)
    except PictureError as error:
        raise UsageError(str(error)) from error
    means = {"mean": round(found.mean, 3), "geometric_mean": round(found.geometric_mean, 3)}
    if as_json:
        atoms = [{"word": a.word.text, "span": a.word.span, "score": round(a.score, 3)} for a in found.atoms]
        return report.say_json({"file": str(picture), "prompt": text, "words": atoms, **means})
    show(text, [(atom.word.text, atom.score) for atom in found.atoms], means)


def recorded_prompt(picture: Path) -> str:
    """The prompt in a picture's record.

    Raises:
        UsageError: there is none.
    """
    from limelight.pipeline.results.png import NoRecord, read_record

    try:
        text = read_record(picture)["request"].get("prompt")
    except NoRecord as error:
        raise UsageError(f"{error}; say by --prompt what it should show") from None
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"the record in {picture} has no prompt; say by --prompt what it should show")
    return text


def show(text: str, scores: list[tuple[str, float]], means: dict[str, Any]) -> None:
    """Shows each word with a tick, a question mark or a cross."""
    from rich.table import Table
    from rich.text import Text

    if not scores:
        return report.say(f"no word of {text!r} can be checked: name a thing or a colour")
    table = Table("word", "in the picture", "score", title=Text(text))
    for word, score in scores:
        sign = "\N{CHECK MARK} yes" if score >= FITS else "? unsure" if score >= FAILS else "\N{BALLOT X} no"
        table.add_row(Text(word), sign, f"{score:.2f}")
    report.show(table)
    report.say(f"mean {means['mean']:.2f}, geometric mean {means['geometric_mean']:.2f}")
