"""`limelight describe` and `limelight ask`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limelight.app import report
from limelight.pipeline.errors import UsageError

if TYPE_CHECKING:  # the modules load torch
    from limelight.pipeline.describer.description import SeenWord

_DESCRIBER = typer.Option(
    metavar="NAME",
    help="The describer in the box (default), or a BLIP folder or hub id.",
)
_DEVICE = typer.Option(help="cpu, cuda, mps; the best one here if omitted.")
_MAPS = typer.Option(help="Save a picture of what each word looked at in this folder.")


def describe(
    pictures: Annotated[
        list[Path], typer.Argument(help="Pictures.", metavar="PICTURE...", show_default=False)
    ],
    *,
    maps: Annotated[Path | None, _MAPS] = None,
    describer: Annotated[str, _DESCRIBER] = "default",
    device: Annotated[str | None, _DEVICE] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each picture, with `file`.")
    ] = False,
) -> None:
    """Say in words what each PICTURE shows."""
    from limelight.pipeline.describer.load import load_describer

    _check_folder(maps)
    _without_bars(describer)
    reader = load_describer(describer, device=device)
    num_bad = 0
    for picture, name in zip(pictures, _sheet_names(pictures), strict=True):
        try:
            found = reader.describe(picture)
        except UsageError as error:  # the other pictures are still described
            num_bad += 1
            report.complain(f"{picture}: {error}" if str(picture) not in str(error) else str(error))
            continue
        if as_json:
            report.say_json({"file": str(picture), "text": found.text, **_facts(found.known, found.words)})
        else:
            which = f"{picture}: " if len(pictures) > 1 else ""
            report.say(f"{which}{_with_doubt(found.text, found.known)}")
        _save(maps, name, picture, found.words, found.text, as_json=as_json)
    if num_bad:
        raise SystemExit(2)


def ask(
    picture: Annotated[Path, typer.Argument(help="A picture.", show_default=False)],
    question: Annotated[
        str, typer.Argument(help='A question, such as "is there a red apple?"', show_default=False)
    ],
    *,
    maps: Annotated[Path | None, _MAPS] = None,
    describer: Annotated[str, _DESCRIBER] = "default",
    device: Annotated[str | None, _DEVICE] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON.")] = False,
) -> None:
    """Answer a QUESTION about PICTURE."""
    from limelight.pipeline.describer.load import load_describer

    _check_folder(maps)
    _without_bars(describer)
    answer = load_describer(describer, device=device).ask(picture, question)
    words = (*answer.asked, *answer.words)
    if as_json:
        facts = _facts(answer.known, answer.words)
        report.say_json({"file": str(picture), "question": question, "answer": answer.text, **facts})
    else:
        report.say(_with_doubt(answer.text, answer.known))
    (name,) = _sheet_names([picture])
    _save(maps, name, picture, words, f"{question} {answer.text}", as_json=as_json)


def _with_doubt(text: str, known: float) -> str:
    from limelight.pipeline.describer.description import KNOWN

    return text if known >= KNOWN else f"{text} (score {known:.2f} of 1)"


def _facts(known: float, words: Iterable["SeenWord"]) -> Mapping[str, Any]:
    """How surely the picture is known, and for each word its characters and the middle of what it looked at,
    as shares of the picture's width and height."""
    return {
        "known": round(known, 3),
        "words": [
            {"word": word.text, "span": list(word.span), "at": _middle(word)}
            for word in words
            if word.map is not None
        ],
    }


def _middle(word: "SeenWord") -> list[float]:
    assert word.map is not None
    height, width = word.map.shape
    shares = word.map.double() / word.map.sum().clamp(min=1e-12)
    x = sum((at + 0.5) / width * float(share) for at, share in enumerate(shares.sum(0)))
    y = sum((at + 0.5) / height * float(share) for at, share in enumerate(shares.sum(1)))
    return [round(x, 3), round(y, 3)]


def _without_bars(describer: str) -> None:
    if describer == "default":
        return
    from transformers.utils import logging

    logging.disable_progress_bar()  # loading is fast


def _check_folder(maps: Path | None) -> None:
    if maps is not None:
        from limelight.pipeline.results.png import check_writable

        check_writable(maps)


def _sheet_names(pictures: Sequence[Path]) -> Iterator[str]:
    """A name for the sheet of each picture; pictures of other folders with the same name are numbered."""
    taken: set[str] = set()
    for picture in pictures:
        stems = chain([picture.stem], (f"{picture.stem}-{number}" for number in count(2)))
        taken.add(name := next(stem for stem in stems if stem not in taken))
        yield f"{name}-words.png"


def _save(
    folder: Path | None,
    name: str,
    picture: Path,
    words: Iterable["SeenWord"],
    title: str,
    *,
    as_json: bool,
) -> None:
    """Saves the sheet of words as `name`."""
    if folder is None:
        return
    from limelight.pipeline.describer.sheet import words_sheet
    from limelight.pipeline.requests.input_image import InputImage

    image = InputImage.read("picture", picture, "RGB").pixels
    note = "Each map is the cross-attention of one word to the picture, with a scale of its own."
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    words_sheet(image, list(words), title, note).save(path)
    if not as_json:
        report.say(f"words: {path}")
