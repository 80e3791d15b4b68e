"""`limelight generate`."""

import random
from pathlib import Path
from typing import Annotated

import typer

from limelight.app.commands.options import (
    Attention,
    Device,
    Dtype,
    Embeddings,
    Loras,
    Model,
    Offload,
    adapter_files,
)
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.request import MAX_SEED, GenerationRequest


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
    lossy_cache: Annotated[
        int,
        typer.Option(
            help="Faster, and another picture: computes one step of N whole (DeepCache), 2 to 20; 1 is exact."
        ),
    ] = 1,
    attention: Attention = None,
    device: Device = None,
    dtype: Dtype = None,
    offload: Offload = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Each picture bit for bit as if it were drawn alone; slower.")
    ] = False,
) -> None:
    """Draw PROMPT and say where the picture is."""
    from limelight.app.drawing import draw

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
        lossy_cache_interval=lossy_cache,
    )
    draw(
        request.repeated(count),
        output,
        maps=maps,
        model=model,
        attention=attention,
        device=device,
        dtype=dtype,
        adapters=adapter_files(lora, embedding),
        offload=offload,
        exact=exact,
    )


def _expanded(prompt: str, seed: int, expander: str, model: str) -> Expansion:
    from limelight.app.expanding import expand

    GenerationRequest(prompt=prompt, seed=seed)  # refuses what is not to be drawn before a model is loaded
    return expand(prompt, seed=seed, expander=expander, model=model)
