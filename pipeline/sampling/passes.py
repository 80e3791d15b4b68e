"""The whole way of a request with a model: on which canvas, in how many passes."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.latents.vae import decode, encode, mask_of, pixels_of, shrink_mask
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.canvas import Canvas
from limelight.pipeline.sampling.guidance import Guidance
from limelight.pipeline.sampling.trajectory import Pass, Trajectory, sample


def fitted(request: GenerationRequest, model: Model) -> GenerationRequest:
    """The request with the values that fit this kind of model in the fields about images.

    Args:
        request: resolved.

    Raises:
        RequestError: the model needs an image or a mask that is missing, or cannot use what is given.
    """
    scheduler = request.scheduler
    assert scheduler is not None, "the request is not resolved"
    model.schedulers.check_steps(scheduler, request.num_steps)
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
    if request.image is not None and request.strength is None:
        is_free = request.mask is None and request.num_steps > 1
        request = replace(request, strength=0.8 if is_free else 1.0)
    for strength in (request.strength, request.hires_strength):
        if strength is not None:
            model.schedulers.check_steps(
                scheduler, request.num_steps, strength=strength, is_distilled=model.is_distilled
            )
    return request


def draw(request: GenerationRequest, model: Model) -> Trajectory:
    """Asks for every prediction of the request, and returns the finished latent.

    A second pass begins from the enlarged picture, not from the enlarged latent: what is between a latent's
    positions stands for no picture. The default model's VAE shows latents of twice the size at 27 dB from the
    enlarged picture, and that picture, encoded, at 30; what is lost, a higher strength would have to draw.

    Args:
        request: resolved and fitted.

    Raises:
        NonFinitePicture: the VAE overflowed.
        OutOfMemory: it has no memory for a tile.
    """
    assert request.guidance_scale is not None, "the request is not resolved"
    device, generator = model.unet.device, torch.Generator("cpu").manual_seed(request.seed)
    guidance = Guidance(
        scale=1.0 if model.unet.config.time_cond_dim is not None else request.guidance_scale,
        image_scale=request.image_guidance_scale,
        phi=request.guidance_rescale,
        start=request.guidance_start,
        end=request.guidance_end,
    )
    walk = partial(
        sample, guidance=guidance, generator=generator, cache_interval=request.lossy_cache_interval
    )
    first = _pass(request, model, request.strength)
    canvas = _canvas(request, model, generator)
    if request.hires_scale is None:
        return (yield from walk(canvas, first))

    second = _pass(request, model, request.hires_strength)
    num_first, num_second = len(first.timesteps), len(second.timesteps)
    latent = yield from walk(canvas, first, more=num_second)
    width, height = request.final_size
    assert width is not None and height is not None and request.hires_strength is not None
    clean = encode(model.vae, pixels_of(decode(model.vae, latent), width, height), generator)
    canvas = Canvas(
        noise=torch.randn(clean.shape, generator=generator).to(device),
        clean=clean,
        strength=request.hires_strength,
    )
    return (yield from walk(canvas, second, done=num_first))


def _pass(request: GenerationRequest, model: Model, strength: float | None) -> Pass:
    assert request.scheduler is not None, "the request is not resolved"
    return Pass(
        *model.schedulers.start(
            request.scheduler,
            request.num_steps,
            seed=request.seed,
            strength=strength,
            is_distilled=model.is_distilled,
            device=model.unet.device,
        )
    )


def _canvas(request: GenerationRequest, model: Model, generator: torch.Generator) -> Canvas:
    """What the first pass begins from. The order of what is drawn from the generator is diffusers'."""
    width, height = request.width, request.height
    assert width is not None and height is not None, "the request is not resolved"
    shape = (1, *model.latent_shape(height, width))

    def noise() -> Tensor:
        return torch.randn(shape, generator=generator).to(model.unet.device)

    if request.image is None:
        return Canvas(noise=noise())
    assert isinstance(request.image, InputImage)
    pixels = pixels_of(request.image.pixels, width, height)
    if model.kind == "edit":
        return Canvas(noise=noise(), beside=encode(model.vae, pixels, None))

    assert request.strength is not None, "the request is not fitted"
    if request.mask is None:
        clean = encode(model.vae, pixels, generator)
        return Canvas(noise=noise(), clean=clean, strength=request.strength)
    assert isinstance(request.mask, InputImage)
    mask = mask_of(request.mask.pixels, width, height)
    small = shrink_mask(mask, *shape[2:]).to(model.unet.device)
    if model.kind == "draw":
        clean, drawn = encode(model.vae, pixels, generator), noise()
        noise()  # diffusers draws the masked image's latent here, also for a model that does not take it
        return Canvas(noise=drawn, clean=clean, strength=request.strength, mask=small)
    start = encode(model.vae, pixels, generator) if request.strength < 1 else None
    drawn = noise()
    hidden = encode(model.vae, pixels * (1 - mask), generator)  # what is to be drawn anew is grey
    return Canvas(
        noise=drawn, clean=start, strength=request.strength, beside=torch.cat((small, hidden), dim=1)
    )
