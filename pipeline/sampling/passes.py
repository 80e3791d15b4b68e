"""The passes in which a request is sampled, and the latent that each begins from."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.latents.vae import decode, encode, mask_of, pixels_of, shrink_mask
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.input_latents import InputLatents
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.schedule import Schedule
from limelight.pipeline.sampling.edits.inversion import check_inversion
from limelight.pipeline.sampling.firm import RATE, UPDATES, Leading
from limelight.pipeline.sampling.masked_part import drawn_part
from limelight.pipeline.sampling.sampler import Canvas, Change, Guidance, Pass, Role, Trajectory, sample

_SIZES = ("original_size", "crops_coords_top_left", "target_size")
_SCORES = ("aesthetic_score", "negative_aesthetic_score")


def fitted(request: GenerationRequest, model: Model) -> GenerationRequest:
    """The request with the values that fit this kind of model in the fields about images.

    Args:
        request: resolved.

    Raises:
        RequestError: the model needs an image or a mask that is missing, or cannot use what is given.
    """
    scheduler = request.scheduler
    assert scheduler is not None, "the request is not resolved"
    if request.is_inverted:
        check_inversion(request, model)
    schedule = schedule_of(request)
    model.schedulers.check_steps(scheduler, request.num_steps, schedule=schedule)
    _check_fields(request, model)
    if model.kind == "edit":
        if request.image is None:
            raise RequestError("image is missing; this model edits images: give one")
        for name in ("mask", "strength", "hires_scale"):
            if getattr(request, name) is not None:
                raise RequestError(
                    f"{name} is given; this model edits whole images in one pass: leave it out"
                )
        return replace(request, image_guidance_scale=request.image_guidance_scale or 1.5)
    if request.image_guidance_scale is not None:
        raise RequestError(
            f"image_guidance_scale is {request.image_guidance_scale}; this model does not edit images "
            "(InstructPix2Pix and its like do): leave it out"
        )
    if model.kind == "inpaint" and request.mask is None:
        raise RequestError("mask is missing; this model draws into the masked part of an image: give both")
    if request.image is not None and request.strength is None and not request.is_inverted:
        is_free = request.mask is None and request.num_steps > 1
        request = replace(request, strength=0.8 if is_free else 1.0)
    for strength in (request.strength, request.hires_strength):
        if strength is not None:
            model.schedulers.check_steps(
                scheduler,
                request.num_steps,
                strength=strength,
                schedule=schedule,
                is_distilled=model.is_distilled,
            )
    return request


def _check_fields(request: GenerationRequest, model: Model) -> None:
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


def schedule_of(request: GenerationRequest) -> Schedule:
    return Schedule(request.timesteps, request.sigmas, request.denoising_start, request.denoising_end)


def make_passes(request: GenerationRequest, model: Model) -> list[Pass]:
    """The timesteps of a request, resolved and fitted: one pass, or two where it is enlarged."""
    first = _make_pass(request, model, request.strength, is_first=True)
    if request.hires_scale is None:
        return [first]
    return [first, _make_pass(request, model, request.hires_strength, is_first=False)]


def _make_pass(request: GenerationRequest, model: Model, strength: float | None, *, is_first: bool) -> Pass:
    """The last `strength` part of the request's steps, None for all."""
    assert request.scheduler is not None, "the request is not resolved"
    scheduler, timesteps = model.schedulers.start(
        request.scheduler,
        request.num_steps,
        seed=request.seed,
        strength=strength,
        schedule=schedule_of(request) if is_first else replace(schedule_of(request), start=None),
        is_distilled=model.is_distilled,
        device=model.unet.device,
    )
    return Pass(scheduler, timesteps)


def make_trajectory(
    request: GenerationRequest,
    model: Model,
    passes: Sequence[Pass],
    change: Change | None = None,
    canvas: Canvas | None = None,
) -> Trajectory:
    """Asks for every prediction of the request, and returns the finished latent.

    Args:
        request: resolved and fitted.
        passes: those of `make_passes`.
        change: sees the latent after each step, and may give another.
        canvas: of the first pass; None makes that of the request.

    Raises:
        NonFinitePicture: the VAE overflowed.
        OutOfMemory: it has no memory for a tile.
    """
    assert request.guidance_scale is not None, "the request is not resolved"
    generator = torch.Generator("cpu").manual_seed(request.seed)
    scales: dict[Role, float] = {"pag": request.pag_scale, "seg": request.seg_scale}
    guidance = Guidance(
        scale=1.0 if model.is_distilled else request.guidance_scale,
        image_scale=request.image_guidance_scale,
        perturbed={role: scale for role, scale in scales.items() if scale},
        phi=request.guidance_rescale,
        start=request.guidance_start,
        end=request.guidance_end,
    )
    sampler = partial(sample, guidance=guidance, generator=generator, eta=request.eta, change=change)
    first, *others = passes
    firm = [each.until for each in request.paint if each.is_firm]
    leading = Leading(UPDATES, RATE, max(firm)) if firm else None
    trajectory = sampler(canvas or _first_canvas(request, model, generator), first, leading=leading)
    for second in others:
        trajectory = _continued(trajectory, second, request, model, generator, sampler)
    return trajectory


def _continued(
    first: Trajectory,
    second: Pass,
    request: GenerationRequest,
    model: Model,
    generator: torch.Generator,
    sampler: Callable[..., Trajectory],
) -> Trajectory:
    """A first pass, and a second that begins from its enlarged picture.

    Not from its enlarged latent: a value between a latent's positions stands for no picture. The default
    model's VAE shows latents of twice the size at 27 dB from the enlarged picture, and that picture, encoded,
    at 30; what is lost, a higher strength would have to draw.
    """
    latent = yield from first
    width, height = request.final_size
    assert width is not None and height is not None and request.hires_strength is not None
    clean = encode(model.vae, pixels_of(decode(model.vae, latent), width, height), generator)
    noise = torch.randn(clean.shape, generator=generator).to(model.unet.device)
    canvas = Canvas(noise=noise, clean=clean, strength=request.hires_strength)
    return (yield from sampler(canvas, second))


def _first_canvas(request: GenerationRequest, model: Model, generator: torch.Generator) -> Canvas:
    """The canvas of the first pass. Random numbers are drawn in the same order as in diffusers."""
    width, height = request.width, request.height
    assert width is not None and height is not None, "the request is not resolved"
    shape = (1, *model.latent_shape(height, width))

    def noise() -> Tensor:
        return torch.randn(shape, generator=generator).to(model.unet.device)

    if isinstance(request.latents, InputLatents):
        given = request.latents.values.to(model.unet.device)
        return Canvas(noise=given, is_begun=request.denoising_start is not None)
    if request.image is None:
        return Canvas(noise=noise())
    assert isinstance(request.image, InputImage)
    pixels = pixels_of(drawn_part(request, request.image), width, height)
    if model.kind == "edit":
        return Canvas(noise=noise(), extra=encode(model.vae, pixels, None))

    assert request.strength is not None, "the request is not fitted"
    if request.mask is None:
        clean = encode(model.vae, pixels, generator)
        return Canvas(noise=noise(), clean=clean, strength=request.strength)
    assert isinstance(request.mask, InputImage)
    mask = mask_of(drawn_part(request, request.mask), width, height)
    small = shrink_mask(mask, *shape[2:]).to(model.unet.device)
    if model.kind == "draw":
        clean, drawn = encode(model.vae, pixels, generator), noise()
        noise()  # diffusers draws the masked image's latent here, also for a model that does not take it
        return Canvas(noise=drawn, clean=clean, strength=request.strength, mask=small)
    start = encode(model.vae, pixels, generator) if request.strength < 1 else None
    drawn = noise()
    hidden = encode(model.vae, pixels * (1 - mask), generator)  # the part to draw is grey
    return Canvas(
        noise=drawn, clean=start, strength=request.strength, extra=torch.cat((small, hidden), dim=1)
    )
