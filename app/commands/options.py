"""Options that several commands take."""

from typing import Annotated

import typer

from limelight.pipeline.adapters.files import AdapterFile, parse_embedding, parse_lora

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


def adapter_files(loras: list[str] | None, embeddings: list[str] | None) -> list[AdapterFile]:
    """What `--lora` and `--embedding` name."""
    return [*map(parse_lora, loras or ()), *map(parse_embedding, embeddings or ())]
