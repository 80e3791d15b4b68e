"""The options with which every command loads a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from limelight.app import lifetime
from limelight.pipeline.adapters.files import AdapterFile
from limelight.pipeline.errors import UsageError

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.text_to_image import TextToImagePipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """A model, and how it is loaded. Attributes annotated with an `Option` are options of the command line.

    Attributes:
        adapters: LoRAs and textual inversions.
        max_rows: predictions in one U-Net call; a guided request takes two.
    """

    model: Annotated[
        str, typer.Option(help="`default`, a folder in diffusers layout, a .safetensors file, or a hub id.")
    ] = "default"
    adapters: Sequence[AdapterFile] = ()
    variant: Annotated[
        str | None,
        typer.Option(
            help="Variant of the weight files, such as fp16; the plain files or the only variant if omitted."
        ),
    ] = None
    vae: Annotated[
        str | None,
        typer.Option(help="The folder or .safetensors file of a VAE; the model's own if omitted."),
    ] = None
    attention: Annotated[
        str | None, typer.Option(help="BACKEND, or self=BACKEND,cross=BACKEND; see `limelight backends`.")
    ] = None
    device: Annotated[str | None, typer.Option(help="cpu, cuda, mps; the best one here if omitted.")] = None
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; the device's usual one if omitted.")
    ] = None
    offload: Annotated[
        bool,
        typer.Option(
            "--offload", help="For small GPUs: keep each part of the model on the GPU only while it is used."
        ),
    ] = False
    compile: Annotated[
        bool,
        typer.Option(
            "--compile", help="Compile the U-Net, which takes minutes and pays for many pictures of one size."
        ),
    ] = False
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Draw the same bits in every run, each picture by itself; slower."),
    ] = False
    enlarger: Annotated[
        str | None,
        typer.Option(
            help="For --enlarge: a .safetensors file of ESRGAN's kind; if omitted, the model's own, or a "
            "filter that keeps edges sharp."
        ),
    ] = None
    max_rows: int = 8

    def load(self) -> "TextToImagePipeline":
        """Loads the pipeline.

        Raises:
            UsageError: the model, the device or the backends cannot be used; the message says what to change.
        """
        from limelight.pipeline.text_to_image import TextToImagePipeline

        options = {field.name: getattr(self, field.name) for field in fields(self)}
        with refusals():
            pipe = TextToImagePipeline.from_pretrained(options.pop("model"), **options)
        lifetime.loaded()
        return pipe


@contextmanager
def refusals() -> Iterator[None]:
    """Turns errors of the lower packages into usage errors."""
    from limelight.attention import BackendRefused, BadOrder, UnknownBackend
    from limelight.unet import UNetConfigError, WeightsError

    try:
        yield
    except (BackendRefused, BadOrder, UnknownBackend, UNetConfigError, WeightsError) as error:
        raise UsageError(str(error)) from error
