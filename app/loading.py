"""Loads what the command line asks for, with every refusal as a usage error."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from limelight.app import lifetime
from limelight.attention import BackendRefused, BadOrder, UnknownBackend
from limelight.pipeline.adapters.files import AdapterFile
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.text_to_image import TextToImagePipeline
from limelight.unet import UNetConfigError, WeightsError


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what the lower packages refuse into usage errors."""
    try:
        yield
    except (BackendRefused, BadOrder, UnknownBackend, UNetConfigError, WeightsError) as error:
        raise UsageError(str(error)) from error


def load_pipeline(
    model: str,
    *,
    attention: str | None,
    device: str | None,
    dtype: str | None,
    adapters: Sequence[AdapterFile] = (),
    offload: bool = False,
    exact: bool = False,
    max_rows: int = 8,
) -> TextToImagePipeline:
    with refusals():
        pipe = TextToImagePipeline.from_pretrained(
            model,
            attention=attention,
            device=device,
            dtype=dtype,
            adapters=adapters,
            offload=offload,
            exact=exact,
            max_rows=max_rows,
        )
    lifetime.loaded()
    return pipe


def check_plans(pipe: TextToImagePipeline, requests: Sequence[GenerationRequest]) -> None:
    """Raises UsageError, before anything is sampled, unless every request's attention can be computed."""
    with refusals():
        for request in requests:
            pipe.engine.plan(request)
