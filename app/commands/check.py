"""`limelight check`."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limelight.app import report
from limelight.app.commands.options import grouped, load_options
from limelight.app.load import LoadOptions
from limelight.pipeline.errors import PictureError, UsageError

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.describer.default import DefaultDescriber
    from limelight.pipeline.results.result import Result
    from limelight.pipeline.text_to_image import TextToImagePipeline

FITS, FAILS = 0.9, 0.5  # scores from which a word fits, and under which it does not
_LOAD = load_options("model", "adapters", "variant", "vae", "attention", "device", "dtype", "offload")


@grouped
def check(
    picture: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    *,
    prompt: Annotated[
        str | None,
        typer.Option(help="What the picture should show; the prompt in the picture's record if omitted."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON.")] = False,
    load: Annotated[LoadOptions, _LOAD],
) -> None:
    """Check word by word whether PICTURE shows what its prompt says, as the model and describer see it."""
    from limelight.pipeline.describer.default import DefaultDescriber
    from limelight.pipeline.reading.described_check import described
    from limelight.pipeline.results.png import drawn_image

    if prompt is not None and not prompt.strip():
        raise UsageError("the prompt is empty; say by --prompt what the picture should show")
    text = prompt if prompt is not None else recorded_prompt(picture)
    shown = drawn_image(picture) or picture
    pipe = load.load()
    try:
        found = pipe.check(shown, text)
    except PictureError as error:
        raise UsageError(str(error)) from error
    facts = described(found.to_dict(), DefaultDescriber.from_pretrained(), shown, text)
    if as_json:
        return report.say_json({"file": str(picture), "prompt": text, **facts})
    show(text, facts)


def recorded_prompt(picture: Path) -> str:
    """The prompt in a picture's record.

    Raises:
        UsageError: there is none.
    """
    from limelight.pipeline.results.png import NoRecord, read_record

    try:
        text = read_record(picture)["request"].get("prompt")
    except NoRecord as error:
        remedy = "; say by --prompt what it should show" if picture.is_file() else ""
        raise UsageError(f"{error}{remedy}") from None
    if not isinstance(text, str) or not text.strip():
        raise UsageError(f"the record in {picture} has no prompt; say by --prompt what it should show")
    return text


def show(text: str, found: Mapping[str, Any]) -> None:
    """Shows each word with a tick, a question mark or a cross.

    Args:
        found: a check as a dict.
    """
    from rich.table import Table
    from rich.text import Text

    by = {"the model": found} | ({"the describer": found["describer"]} if "describer" in found else {})
    scores = {name: {tuple(each["span"]): each["score"] for each in one["words"]} for name, one in by.items()}
    words = {tuple(each["span"]): each["word"] for one in by.values() for each in one["words"]}
    if not words:
        return report.say(f"no word of {text!r} can be checked: name a thing or a colour")
    table = Table("word", *by, title=Text(text))
    for span in sorted(words):
        marks = [
            "" if span not in of else f"{' '.join(sign_of(of[span]))} {of[span]:.2f}"
            for of in scores.values()
        ]
        table.add_row(Text(words[span]), *marks)
    report.show(table)
    for name, one in by.items():
        report.say(f"{name}: mean {one['mean']:.2f}, geometric mean {one['geometric_mean']:.2f}")


def sign_of(score: float) -> tuple[str, str]:
    """The sign of a score, and what it says."""
    if score >= FITS:
        return "\N{CHECK MARK}", "yes"
    return ("?", "unsure") if score >= FAILS else ("\N{BALLOT X}", "no")


def on_one_line(found: Mapping[str, Any]) -> str:
    """The words of a check with their signs and scores; those of the describer after a semicolon."""
    words = [f"{each['word']} {sign_of(each['score'])[0]} {each['score']:.2f}" for each in found["words"]]
    line = ", ".join(words) or "no word can be checked: name a thing or a colour"
    return f"{line}; the describer: {on_one_line(found['describer'])}" if "describer" in found else line


def with_check(pipe: "TextToImagePipeline", describer: "DefaultDescriber", result: "Result") -> "Result":
    """The picture with its check; without one, and with the reason printed, if the check fails."""
    from limelight.pipeline.reading.check import checked
    from limelight.pipeline.reading.described_check import with_described

    try:
        return with_described(checked(pipe.engine, result), describer)
    except PictureError as error:
        report.complain(f"seed {result.request.seed} could not be checked: {error}")
        return result


def best_of(results: Iterable["Result"], keep: int) -> Iterator["Result"]:
    """Yields the pictures whose words fit best, the best first, and prints how well each fits; a picture
    without a check comes last."""
    ranked: list[Result] = []
    for result in results:
        if (found := result.info.get("check")) is not None:
            report.say(f"seed {result.request.seed}: {_fit(result)[0]:.2f}  {on_one_line(found)}")
        ranked = sorted([*ranked, result], key=_fit, reverse=True)[:keep]
    yield from ranked


def _fit(result: "Result") -> tuple[float, float]:
    """How well the words fit: the geometric mean of both checks, where the describer has one too; and the
    mean."""
    found = result.info.get("check")
    if found is None:
        return -1.0, -1.0
    by = [found, *([found["describer"]] if "describer" in found else [])]
    together = prod(one["geometric_mean"] for one in by) ** (1 / len(by))
    return together, sum(one["mean"] for one in by) / len(by)
