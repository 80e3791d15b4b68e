"""The `limelight` command."""

import logging
import random
import warnings
from pathlib import Path
from typing import Annotated

import typer

from app import report
from pipeline.errors import UsageError
from pipeline.request import MAX_SEED, GenerationRequest

app = typer.Typer(
    name="limelight",
    help="Draw pictures from prompts, and see which word drew what.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[str, typer.Option(help="`default`, a folder in diffusers layout, or a hub id.")]
Attention = Annotated[
    str | None, typer.Option(help="BACKEND, or self=BACKEND,cross=BACKEND; see `limelight backends`.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; the best one here if not given.")]
Dtype = Annotated[
    str | None, typer.Option(help="float32, bfloat16 or float16; the device's usual one if not given.")
]


@app.command()
def generate(
    prompt: str,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .png file, or a folder for files named by content.")
    ] = Path("outputs"),
    model: Model = "default",
    negative: Annotated[str, typer.Option(help="What the picture should not show.")] = "",
    steps: Annotated[int, typer.Option(help="Scheduler steps.")] = 25,
    guidance: Annotated[
        float | None, typer.Option(help="Guidance scale; the model's own if not given.")
    ] = None,
    scheduler: Annotated[str | None, typer.Option(help="The model's own if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random, and told, if not given.")] = None,
    count: Annotated[int, typer.Option(help="Pictures, with seeds SEED, SEED+1, ...")] = 1,
    width: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    height: Annotated[int | None, typer.Option(help="In pixels, a multiple of 8.")] = None,
    maps: Annotated[
        Path | None, typer.Option(help="A folder for where each word acted: sheet, words, numbers, steps.")
    ] = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Draw PROMPT and say where the picture is."""
    from app.drawing import draw

    request = GenerationRequest(
        prompt=prompt,
        negative_prompt=negative,
        seed=random.randrange(min(2**32, MAX_SEED)) if seed is None else seed,
        width=width,
        height=height,
        num_steps=steps,
        guidance_scale=guidance,
        scheduler=scheduler,
        record="grid" if maps else False,
    )
    draw(
        request.repeated(count),
        output,
        maps=maps,
        model=model,
        attention=attention,
        device=device,
        dtype=dtype,
    )


@app.command()
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
    from app.tables import show_backends, show_plan

    show_backends(device=device, dtype=dtype)
    if model is not None:
        request = GenerationRequest(prompt="", width=width, height=height)
        show_plan(request, model=model, attention=attention, device=device, dtype=dtype)


@app.command()
def inspect(file: Path) -> None:
    """Show what made FILE, a PNG saved by Limelight."""
    from pipeline.metadata import read_record

    report.show_record(read_record(file))


@app.command()
def replay(
    file: Path,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png file or a folder.")] = Path(
        "outputs"
    ),
    model: Annotated[
        str | None, typer.Option(help="Where the model is; needed unless FILE was drawn with `default`.")
    ] = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Draw FILE, a PNG saved by Limelight, again."""
    from app.drawing import draw
    from pipeline.metadata import read_record

    record = read_record(file)
    request = GenerationRequest.from_dict(record["request"])
    made_by = record.get("model", {})
    if model is None and made_by.get("name") != "default":
        raise UsageError(f"{file} was drawn with {made_by.get('name')!r}; say where it is with --model")
    draw(
        [request],
        output,
        model=model or "default",
        attention=attention,
        device=device,
        dtype=dtype or record.get("dtype"),
        expected_hash=made_by.get("hash"),
    )


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 a bug, 2 bad usage or input, 3 failed pictures,
    4 stopped."""
    logging.getLogger("xformers").setLevel(logging.ERROR)  # `limelight backends` says what it cannot do here
    warnings.showwarning = report.show_warning
    try:
        app()
    except UsageError as error:
        report.fail(str(error))


if __name__ == "__main__":
    main()
