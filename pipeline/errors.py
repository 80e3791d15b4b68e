"""What a caller can get wrong. Each message states the value, the limit and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(ValueError):
    """Something that the caller gave cannot be used as it is."""


class RequestError(UsageError):
    """A field of a generation request is out of its range."""


class UnknownName(UsageError):
    """A model, scheduler, device or dtype of that name does not exist here."""

    def __init__(self, kind: str, name: str, valid: Iterable[str]) -> None:
        names = list(valid)
        near = get_close_matches(name, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}; valid: {', '.join(names)}")


class ModelError(UsageError):
    """A model's folder is not one that can be loaded."""


class AdapterError(UsageError):
    """A LoRA or a textual inversion cannot be used with this model; nothing was changed."""


class OutputError(UsageError):
    """A picture cannot be written where it was asked for."""


class PictureError(RuntimeError):
    """A picture could not be drawn; nothing is saved for it."""


class NonFinitePrediction(PictureError):
    """The U-Net returned NaN or infinity for a request, also when asked again with the `math` backend."""


class NonFinitePicture(PictureError):
    """The VAE returned NaN or infinity."""


class OutOfMemory(PictureError):
    """There is not enough memory for a picture, also by itself."""
