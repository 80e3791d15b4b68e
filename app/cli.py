"""The `limelight` command."""

import logging
import random
import warnings
from pathlib import Path
from typing import Annotated

import typer

from app import report
from pipeline.adapter_files import AdapterFile, parse_embedding, parse_lora, recorded_files
from pipeline.errors import UsageError
from pipeline.expansion import Expansion
from pipeline.request import MAX_SEED, GenerationRequest

app = typer.Typer(
    name="limelight",
    help="Draw pictures from prompts, and see which word drew what.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[
    str, typer.Option(help="`default`, a folder in diffusers layout, a .safetensors file, or a hub id.")
]
Attention = Annotated[
    str | None, typer.Option(help="BACKEND, or self=BACKEND,cross=BACKEND; see `limelight backends`.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, mps; the best one here if not given.")]
Dtype = Annotated[
    str | None, typer.Option(help="float32, bfloat16 or float16; the device's usual one if not given.")
]
Offload = Annotated[
    bool,
    typer.Option("--offload", help="For small GPUs: keep each part of the model there only while it works."),
]
Loras = Annotated[
    list[str] | None,
    typer.Option("--lora", help="FILE or FILE:WEIGHT, a LoRA to draw with; may be repeated."),
]
Embeddings = Annotated[
    list[str] | None,
    typer.Option(
        "--embedding", help="FILE, a textual inversion whose word prompts may use; may be repeated."
    ),
]


@app.command()
def generate(
    prompt: str,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .png file, or a folder for files named by content.")
    ] = Path("outputs"),
    model: Model = "default",
    expand: Annotated[
        bool,
        typer.Option("--expand", help="Let a language model add to PROMPT first, by SEED, and say what."),
    ] = False,
    expander: Annotated[
        str, typer.Option(help="For --expand: `default`, a folder of a causal language model, or a hub id.")
    ] = "default",
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
    clip_skip: Annotated[
        int, typer.Option(help="Layer of the text encoder, from its end; 1 is the model's own.")
    ] = 1,
    lora: Loras = None,
    embedding: Embeddings = None,
    image: Annotated[Path | None, typer.Option(help="To begin from, or to edit; gives the size.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Of the image's size; white where it is drawn anew.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="How far IMAGE is redrawn, to 1; 0.8, or 1 with a mask.")
    ] = None,
    image_guidance: Annotated[
        float | None, typer.Option(help="How closely a model that edits images keeps to IMAGE; 1.5.")
    ] = None,
    hires: Annotated[
        float | None, typer.Option(help="Enlarge the picture so many times, and go over it once more.")
    ] = None,
    hires_strength: Annotated[float | None, typer.Option(help="How far that redraws it; 0.5.")] = None,
    guidance_rescale: Annotated[
        float, typer.Option(help="0 to 1; takes back the contrast that guidance adds.")
    ] = 0.0,
    guidance_interval: Annotated[
        tuple[float, float], typer.Option(help="Fractions of the steps between which guidance acts.")
    ] = (0.0, 1.0),
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Each picture bit for bit as if it were drawn alone; slower.")
    ] = False,
) -> None:
    """Draw PROMPT and say where the picture is."""
    from app.drawing import draw

    seed = random.randrange(min(2**32, MAX_SEED)) if seed is None else seed
    expansion = _expanded(prompt, seed, expander, model) if expand else None
    request = GenerationRequest(
        prompt=prompt if expansion is None else expansion.text,
        expansion=expansion,
        negative_prompt=negative,
        seed=seed,
        width=width,
        height=height,
        num_steps=steps,
        guidance_scale=guidance,
        scheduler=scheduler,
        record="grid" if maps else False,
        clip_skip=clip_skip,
        image=image,
        mask=mask,
        strength=strength,
        image_guidance_scale=image_guidance,
        hires_scale=hires,
        hires_strength=hires_strength,
        guidance_rescale=guidance_rescale,
        guidance_start=guidance_interval[0],
        guidance_end=guidance_interval[1],
    )
    draw(
        request.repeated(count),
        output,
        maps=maps,
        model=model,
        attention=attention,
        device=device,
        dtype=dtype,
        adapters=_adapters(lora, embedding),
        offload=offload,
        exact=exact,
    )


@app.command()
def batch(
    manifest: Annotated[Path, typer.Argument(help=".csv, .tsv, .jsonl, .parquet, or .txt with prompts.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder; to go on, the same again.")],
    model: Model = "default",
    matrix: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=V1,V2,... or FIELD=1..9: every row with every value; may be repeated."),
    ] = None,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also where each word acted, into OUTPUT/maps.")
    ] = False,
    max_batch: Annotated[
        int | None, typer.Option(help="Pictures sampled together; as memory allows if not given.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="How many processes a launcher was to start, checked; or Ray's workers."),
    ] = None,
    engine: Annotated[str, typer.Option(help="local, or ray: workers on a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of the Ray cluster, ray://HOST:PORT or auto; this machine if not given."),
    ] = None,
    lora: Loras = None,
    embedding: Embeddings = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = False,
) -> None:
    """Draw every row of MANIFEST, each once whatever happens; run the same again to go on."""
    from app.batch import BatchOptions
    from app.batch import batch as draw_batch

    draw_batch(
        BatchOptions(
            manifest=manifest,
            output=output,
            matrix=matrix or (),
            maps=maps,
            max_batch=max_batch,
            workers=workers,
            engine=engine,
            address=address,
            model=model,
            attention=attention,
            device=device,
            dtype=dtype,
            adapters=_adapters(lora, embedding),
            offload=offload,
        )
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
def vocabulary(
    model: Annotated[str, typer.Option(help="`default`, or a folder that lists its words.")] = "default",
) -> None:
    """Show the words that a small MODEL was trained on."""
    from app.words import show_vocabulary

    show_vocabulary(model)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="A .safetensors checkpoint in the original layout.")],
    folder: Annotated[Path, typer.Argument(help="A new folder, for the model in diffusers layout.")],
    dtype: Annotated[str | None, typer.Option(help="Of the weights; as in FILE if not given.")] = None,
) -> None:
    """Convert FILE, a checkpoint in one file, to FOLDER, which diffusers loads too."""
    from app.converting import convert as convert_file

    convert_file(file, folder, dtype=dtype)


@app.command()
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
    from app.serving import serve

    serve(
        model or ["default"],
        host=host,
        port=port,
        auth=auth or [],
        attention=attention,
        device=device,
        dtype=dtype,
    )


@app.command()
def inspect(file: Path) -> None:
    """Show what made FILE, a PNG saved by Limelight or by AUTOMATIC1111's web UI."""
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
    lora: Annotated[
        list[str] | None, typer.Option("--lora", help="Where a LoRA is that FILE was drawn with.")
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option("--embedding", help="Where a textual inversion is that FILE was drawn with."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="The image that FILE was made from.")] = None,
    mask: Annotated[Path | None, typer.Option(help="The mask that FILE was made with.")] = None,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = False,
) -> None:
    """Draw FILE, a PNG saved by Limelight, again; one by AUTOMATIC1111's web UI as far as it can be."""
    from app.drawing import draw
    from pipeline.metadata import is_foreign, read_record, request_of

    record = read_record(file)
    request = request_of(record, image=image, mask=mask)
    made_by = record.get("model", {})
    if model is None and made_by.get("name") != "default":
        raise UsageError(f"{file} was drawn with {made_by.get('name')!r}; say where it is with --model")
    if is_foreign(record):
        report.tell_foreign(file, record)
    draw(
        [request],
        output,
        model=model or "default",
        attention=attention,
        device=device,
        dtype=dtype or record.get("dtype"),
        expected_hash=None if is_foreign(record) else made_by.get("hash"),
        adapters=recorded_files(record.get("adapters", []), _adapters(lora, embedding)),
        offload=offload,
    )


def _expanded(prompt: str, seed: int, expander: str, model: str) -> Expansion:
    from app.expanding import expand

    GenerationRequest(prompt=prompt, seed=seed)  # refuses what is not to be drawn before a model is loaded
    return expand(prompt, seed=seed, expander=expander, model=model)


def _adapters(loras: list[str] | None, embeddings: list[str] | None) -> list[AdapterFile]:
    return [*map(parse_lora, loras or ()), *map(parse_embedding, embeddings or ())]


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
