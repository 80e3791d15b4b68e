"""`limelight generate`, and drawing with a progress bar."""

import random
import re
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limelight.app import report
from limelight.app.commands.check import best_of, on_one_line, with_check
from limelight.app.commands.expansion import expanded
from limelight.app.commands.options import grouped, load_options, request_options
from limelight.app.commands.usual_size import Completed, readable_size, usual_size_of
from limelight.app.commands.word_mask import WordMask
from limelight.app.load import LoadOptions, refusals
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.requests.fields import IMAGES, MAX_SEED, OPEN_SEED
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.png import WANTED, drawn_image, enlarge_to_view

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.results.result import Result

DRAW = "generate"
RANDOM_SEEDS = min(2**32, MAX_SEED)
_ASKED = request_options(
    optional={"seed"}, help={"seed": "Seed of the noise; random if omitted or -1; printed"}
)
_LOAD = load_options(
    *("model", "adapters", "variant", "vae", "attention", "device", "dtype", "offload", "compile", "exact"),
    "enlarger",
)


@grouped
def generate(
    prompt: Annotated[
        list[str], typer.Argument(help="The prompt, in quotes.", metavar="PROMPT", show_default=False)
    ],
    *,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .png file, or a folder for files named by content.")
    ] = Path("outputs"),
    fields: Annotated[Mapping[str, Any], _ASKED],
    load: Annotated[LoadOptions, _LOAD],
    count: Annotated[int, typer.Option(help="Pictures, with seeds SEED, SEED+1, ...")] = 1,
    mask_word: Annotated[
        str | None,
        typer.Option(help="Draw the part of --image again that this word names; saves its mask."),
    ] = None,
    mask_change: Annotated[
        str | None,
        typer.Option(
            help='"apple->pear": find what that would change in --image, and draw it again.',
            metavar="OLD->NEW",
        ),
    ] = None,
    maps: Annotated[
        Path | None, typer.Option(help="A folder for maps of the words: sheet, pictures, numbers, steps.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check word by word whether the picture shows its prompt.")
    ] = False,
    keep_best: Annotated[
        int | None,
        typer.Option(help="Of --count pictures, save only this many: those whose words fit best.", min=1),
    ] = None,
    native: Annotated[
        bool,
        typer.Option(
            "--native", help=f"Save small pictures at their own size, not enlarged to {WANTED} pixels."
        ),
    ] = False,
    expand: Annotated[
        bool,
        typer.Option("--expand", help="First let a language model extend PROMPT, by SEED; printed."),
    ] = False,
    expander: Annotated[
        str, typer.Option(help="For --expand: `default`, a folder of a causal language model, or a hub id.")
    ] = "default",
) -> None:
    """Draw PROMPT, and print where the picture is."""
    seed = fields.get("seed", OPEN_SEED)
    if seed == OPEN_SEED:
        seed = random.randrange(RANDOM_SEEDS)
    text = one_prompt(prompt, sys.argv[1:])
    if keep_best is not None and keep_best > count:
        raise UsageError(f"keep-best is {keep_best}, of {count} drawn; draw at least that many with --count")
    found = WordMask.of(mask_word, mask_change, fields, output, count)
    asked = {**fields, **as_drawn(fields), "prompt": text, "seed": seed, "record": "grid" if maps else False}
    completed: list[Completed] = [found] if found is not None else []
    if "image" in fields:
        asked, size = readable_size(asked), usual_size_of(fields)
        completed = completed if size is None else [size, *completed]
    request = GenerationRequest(**asked)
    requests = request.opened().repeated(count)
    if expand:
        expansion = expanded(text, seed, expander, load.model)
        requests = [replace(each, prompt=expansion.text, expansion=expansion) for each in requests]
    draw(requests, output, load, completed, maps=maps, native=native, check=check, keep_best=keep_best)


def draw(
    requests: Sequence[GenerationRequest],
    output: Path,
    load: LoadOptions,
    completed: Sequence[Completed] = (),
    *,
    maps: Path | None = None,
    native: bool = False,
    check: bool = False,
    keep_best: int | None = None,
) -> None:
    """Draws every request and saves each picture as soon as it is done.

    Args:
        output: a .png file, for a single request, or a folder.
        completed: as in `drawn`.
        maps: a folder for maps of the words; the requests must record.
        native: whether to save small pictures at their own size.
        check: whether to check each picture word by word.
        keep_best: how many to save, of checked pictures those whose words fit best; None for all.

    Raises:
        UsageError: an option cannot be used.
        SystemExit: 3 when pictures failed, 4 when stopped.
    """
    from limelight.pipeline.results.maps_export import export_maps
    from limelight.pipeline.results.png import check_writable

    one_file = is_file(output, keep_best or len(requests))
    check_writable(output.parent if one_file else output)
    if maps is not None:
        check_writable(maps)
    started, num_drawn = time.monotonic(), 0
    with stopping():
        results = drawn(requests, load, completed, check=check or keep_best is not None)
        for result in results if keep_best is None else best_of(results, keep_best):
            num_drawn += 1
            shown = result if native else enlarge_to_view(result)
            path = shown.save(output if one_file else output / shown.file_name)
            report.say(f"{path}  ({_about(shown)})")
            if maps is not None:
                sheet = export_maps(result, maps, stem=path.stem, picture=path)[0]
                report.say(f"{sheet}  (where each word acted)")
            if keep_best is None and "check" in result.info:
                report.say(f"  {on_one_line(result.info['check'])}")
            for note in (*result.info.get("pick", {}).get("why", ()), *result.info.get("edit", ())):
                report.say(f"  {note}")
            if result.base_psnr is not None:
                report.say(f"  from its noise, the image comes back at {result.base_psnr:.1f} dB")
            if result.info["is_constant"]:
                report.complain(f"seed {result.request.seed}: the picture has a single colour")
    verb = "pictures" if keep_best is None else "pictures kept"
    report.say(f"{num_drawn} of {len(requests)} {verb} in {time.monotonic() - started:.1f} s")
    if num_drawn < (keep_best or len(requests)):
        raise SystemExit(3)


def _about(shown: "Result") -> str:
    """Facts for the line about a saved picture."""
    seed, enlarged = f"seed {shown.request.seed}", shown.info.get("enlarged")
    if enlarged is None:
        return seed
    drawn, saved = ("x".join(map(str, enlarged[key])) for key in ("from", "to"))
    is_viewed = shown.request.enlarge is None  # enlarged to be looked at, and for no other reason
    how = f", --native keeps {drawn}" if is_viewed else f" by {enlarged['by']}"
    return f"{seed}; enlarged from {drawn} to {saved} pixels{how}"


def as_drawn(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields; images that were enlarged get the size at which they were drawn."""
    found = {}
    for name in IMAGES:
        if (path := fields.get(name)) is not None and (image := drawn_image(path)) is not None:
            size, found[name] = "x".join(map(str, image.size)), image
            report.complain(f"{path} was enlarged; it is used at {size}, as it was drawn")
    return found


def is_file(output: Path, count: int) -> bool:
    """Whether `output` means a file rather than a folder.

    Raises:
        OutputError: it is neither a .png file nor a folder, or it is one file for several pictures.
    """
    if output.is_dir() or not output.suffix:
        return False
    if output.suffix.lower() != ".png":
        raise OutputError(f"output is {output}; must be a .png file or a folder")
    if count > 1:
        raise OutputError(f"output is one file, {output}, for {count} pictures; give a folder")
    return True


def drawn(
    requests: Sequence[GenerationRequest],
    load: LoadOptions,
    completed: Sequence[Completed] = (),
    *,
    expected_hash: str | None = None,
    check: bool = False,
) -> Iterator["Result"]:
    """Yields each picture as soon as it is done. If a picture fails, the reason is printed instead.

    Args:
        completed: add to the requests what needs the loaded model.
        expected_hash: the content hash of the model; a model with another hash is refused before sampling.
        check: whether each picture's record gets a check of its words.

    Raises:
        UsageError: an option cannot be used.
    """
    from limelight.app.progress import Bar, TimeLeft
    from limelight.pipeline.describer.default import DefaultDescriber
    from limelight.pipeline.reading.check import require_drawing

    describer = DefaultDescriber.from_pretrained() if check else None
    made: dict[int, int] = {}  # predictions of each picture
    with Bar(TimeLeft()) as bar:
        pipe = load.load()
        if expected_hash is not None and pipe.model.hash.result() != expected_hash:
            raise UsageError(
                f"drawn with a model whose content hash is {expected_hash[:12]}; "
                f"{load.model!r} has {pipe.model.hash.result()[:12]}"
            )
        with refusals():
            if check:
                require_drawing(pipe.model)
            for complete in completed:
                requests = complete(pipe, requests)
            for request in requests:
                pipe.engine.plan(request)
        for step in pipe.stream(requests):
            made[step.id] = step.count if step.error is not None else step.index
            bar.show(sum(made.values()), step.count * len(requests))
            if step.error is not None:
                report.complain(f"seed {step.request.seed}: {step.error}")
            elif step.result is not None:
                yield step.result if describer is None else with_check(pipe, describer, step.result)


@contextmanager
def stopping() -> Iterator[None]:
    """Ends the process with exit code 4 if the user stops it."""
    try:
        yield
    except KeyboardInterrupt:
        report.fail("stopped; the pictures named above are complete", code=4)


def one_prompt(words: Sequence[str], line: Sequence[str]) -> str:
    """The prompt.

    Args:
        words: the arguments that are not options; a prompt without quotes has several.
        line: all arguments after `limelight`, from which the message makes the correct command.

    Raises:
        UsageError: there are several words, or none.
    """
    if len(words) == 1:
        return with_words(words[0])
    rest = list(line)
    for word in words:
        if word in rest:
            rest.remove(word)
    options = [each for each in rest if each not in (DRAW, "--")]
    begin = ["limelight", DRAW] if line[:1] == [DRAW] else ["limelight"]
    command = " ".join([*begin, quoted(" ".join(words)), *map(shlex.quote, options)])
    raise UsageError(f"the prompt is {len(words)} words without quotes; put them in quotes: {command}")


def with_words(prompt: str) -> str:
    """The prompt. Raises UsageError if it has no words, as when a shell's variable is empty."""
    if not prompt.strip():
        raise UsageError('the prompt is empty; say what to draw, such as "a red apple"')
    return prompt


def quoted(text: str) -> str:
    """Text as one argument for a shell, in double quotes if these are sufficient."""
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'
