"""Whether a model and a scheduler can do what a request's rarer fields ask for."""

from limelight.pipeline.errors import RequestError
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.input_latents import InputLatents
from limelight.pipeline.requests.request import GenerationRequest

_SIZES = ("original_size", "crops_coords_top_left", "target_size")
_SCORES = ("aesthetic_score", "negative_aesthetic_score")


def check_fields(request: GenerationRequest, model: Model) -> None:
    """Raises RequestError for a field that says nothing to this model, or to the scheduler.

    Args:
        request: resolved.
    """
    assert request.scheduler is not None, "the request is not resolved"
    if request.eta and not model.schedulers.takes(request.scheduler, "eta"):
        raise RequestError(
            f"eta is {request.eta:g}; the scheduler {request.scheduler!r} takes none: use ddim or tcd, or "
            "leave it out"
        )
    _check_latents(request, model)
    for name in (*_SIZES, *_SCORES):
        value = getattr(request, name)
        if value is None:
            continue
        if not model.takes_sizes:
            raise RequestError(
                f"{name} is {value}; this model is conditioned on none (SDXL and its like are): leave it out"
            )
        if name in _SCORES and not model.is_scored:
            raise RequestError(f"{name} is {value}; only SDXL's refiner is conditioned on it: leave it out")
        if name == "target_size" and model.is_scored:
            raise RequestError(
                f"{name} is {value}; SDXL's refiner has an aesthetic score in its place: leave it out"
            )


def _check_latents(request: GenerationRequest, model: Model) -> None:
    if not isinstance(request.latents, InputLatents):
        return
    if model.kind != "draw":
        raise RequestError("latents are given; this model begins from an image: leave them out")
    assert request.height is not None and request.width is not None, "the request is not resolved"
    shape = (1, *model.latent_shape(request.height, request.width))
    if request.latents.shape != shape:
        raise RequestError(
            f"latents have the shape {request.latents.shape}; a picture of {request.width}x{request.height} "
            f"has {shape} with this model"
        )
