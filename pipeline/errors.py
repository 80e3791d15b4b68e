"""Errors of the pipeline. Each message states the value, the limit and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches

from limelight.errors import LimelightError
from limelight.errors import UsageError as UsageError


class RequestError(UsageError):
    """A field of a generation request is out of its range."""


class UnknownName(UsageError):
    """No model, scheduler, device or dtype has this name."""

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        names = list(valid)
        near = get_close_matches(name, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}; valid: {', '.join(names)}")


class ModelError(UsageError):
    """A model's folder cannot be loaded."""


class AdapterError(UsageError):
    """A LoRA or a textual inversion does not fit this model; nothing was changed."""


class OutputError(UsageError):
    """A file cannot be written to the path that was given."""


class PictureError(LimelightError, RuntimeError):
    """A picture could not be drawn; nothing is saved for it."""


class NonFinitePrediction(PictureError):
    """The U-Net returned NaN or infinity for a request, with the planned backends and with `math`."""


class NonFinitePicture(PictureError):
    """The VAE returned NaN or infinity."""


class OutOfMemory(PictureError):
    """There is not enough memory for a picture, even when it is drawn alone."""
