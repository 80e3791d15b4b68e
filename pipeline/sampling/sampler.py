"""From noise to a picture's latent: a coroutine that asks for its predictions.

Symbols: x noisy latent, denoised the clean latent that a prediction points at. The scheduler is diffusers';
it keeps sigma and makes the step.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.denoised import denoise


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """The U-Net's inputs for the next prediction.

    Attributes:
        x: r i h w, one row for each prompt: the noisy latent as the scheduler scales it, with the model's
            extra channels. The last row is the prompt's; those before it are for the negative prompt.
        timestep: scalar.
        denoised: 1 c h w, the clean latent that the last prediction pointed at; before the first of a pass
            that of the image, None where there is none.
    """

    x: Tensor
    timestep: Tensor
    denoised: Tensor | None


Change = Callable[[int, Tensor], Tensor | None]  # a step of a pass, and the latent after it
ChangeOf = Callable[[int, int, Tensor], Tensor | None]  # the request's number comes first
Trajectory = Generator[PredictionRequest, Tensor, Tensor]  # is sent predictions r c h w, returns 1 c h w


@dataclass(frozen=True, slots=True)
class Pass:
    """Timesteps, one prediction each, and the scheduler that is set to them.

    Attributes:
        scheduler: a diffusers scheduler of its own, since it carries state; computes in float32.
    """

    scheduler: Any
    timesteps: Tensor

    def __len__(self) -> int:
        """How many predictions it asks for."""
        return len(self.timesteps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Where sampling begins, and what stays of it.

    Attributes:
        noise: of the seed, float32, or the latents that were given.
        clean: latent of the image that is drawn over; None where only noise is.
        strength: the part of the steps that are taken.
        mask: 1 where the latent is sampled, 0 where it is led back to `clean` after each step; None samples
            everywhere.
        extra: channels that the U-Net takes after the latent's.
        is_begun: `noise` is a noisy latent that another model left, and sampling goes on from it.
    """

    noise: Float[Tensor, "1 c h w"]
    clean: Float[Tensor, "1 c h w"] | None = None
    strength: float = 1.0
    mask: Float[Tensor, "1 1 h w"] | None = None
    extra: Float[Tensor, "1 e h w"] | None = None
    is_begun: bool = False

    def begin(self, scheduler: Any, timesteps: Tensor) -> Float[Tensor, "1 c h w"]:
        """The noisy latent at the first timestep; the clean one if there is none.

        Source: Meng et al., arXiv:2108.01073, algorithm 1; at strength 1 a mask begins from noise alone.
        """
        if self.is_begun:
            return self.noise
        if self.clean is not None and not len(timesteps):
            return self.clean
        if self.clean is None or (self.mask is not None and self.strength == 1):
            return self.noise * scheduler.init_noise_sigma
        return scheduler.add_noise(self.clean, self.noise, timesteps[:1])

    def keep(self, x: Float[Tensor, "1 c h w"], scheduler: Any, following: Tensor) -> Tensor:
        """The noisy latent after a step, led back to the image where the mask says so.

        Args:
            following: the timesteps that are still to come.

        Source: Lugmayr et al., arXiv:2201.09865, equation 8.
        """
        if self.mask is None or self.clean is None:
            return x
        known = scheduler.add_noise(self.clean, self.noise, following[:1]) if len(following) else self.clean
        return (1 - self.mask) * known + self.mask * x


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """Which rows the U-Net is asked for at each prediction, and what is made of them.

    The prompt's row is the last; those before it are for the negative prompt.

    Attributes:
        scale: 1 or below is no guidance: the prompt's row alone.
        image_scale: of a model that edits images; None for all others.
        start, end: fractions of the predictions between which guidance acts.
    """

    scale: float
    image_scale: float | None = None
    phi: float = 0.0
    start: float = 0.0
    end: float = 1.0

    def acts(self, index: int, count: int) -> bool:
        return self.scale > 1 and round(self.start * count) <= index < round(self.end * count)

    def rows(
        self, x: Float[Tensor, "1 c h w"], extra: Float[Tensor, "1 e h w"] | None, *, acts: bool
    ) -> Float[Tensor, "r i h w"]:
        """The U-Net's input rows, with the channels that it takes after the latent's."""
        row = x if extra is None else torch.cat((x, extra), dim=1)
        if not acts:
            return row
        if self.image_scale is None or extra is None:
            return row.repeat(2, 1, 1, 1)
        return torch.cat((torch.cat((x, torch.zeros_like(extra)), dim=1), row, row))

    def combine(self, rows: Float[Tensor, "r c h w"]) -> Float[Tensor, "1 c h w"]:
        if len(rows) == 1:
            return rows
        guided = (
            guide(rows, self.scale)
            if self.image_scale is None
            else guide_edit(rows, self.scale, self.image_scale)
        )
        return rescale(guided, rows[-1:], self.phi) if self.phi else guided


def sample(
    canvas: Canvas,
    steps: Pass,
    *,
    guidance: Guidance,
    generator: torch.Generator,
    eta: float = 0.0,
    change: Change | None = None,
) -> Trajectory:
    """Asks for the prediction at each timestep, and returns the latent after the last.

    Args:
        generator: what a stochastic scheduler draws from.
        eta: noise that DDIM's and TCD's schedulers add.
        change: is called with each step, from 0, and the latent after it, and may give another.
    """
    scheduler, timesteps, denoised = steps.scheduler, steps.timesteps, canvas.clean
    accepted = signature(scheduler.step).parameters
    options = {name: value for name, value in (("generator", generator), ("eta", eta)) if name in accepted}
    x = canvas.begin(scheduler, timesteps)
    for i, timestep in enumerate(timesteps):
        x_in = scheduler.scale_model_input(x, timestep)
        acts = guidance.acts(i, len(timesteps))
        rows = yield PredictionRequest(guidance.rows(x_in, canvas.extra, acts=acts), timestep, denoised)
        prediction = guidance.combine(rows.float())
        denoised = denoise(scheduler, x, prediction, timestep)
        x = scheduler.step(prediction, timestep, x, **options, return_dict=False)[0]
        x = canvas.keep(x, scheduler, timesteps[i + 1 :])
        if change is not None:
            x = _changed(change, i, x)
    return x


def _changed(change: Change, index: int, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """The latent after a step, or the one that is given for it.

    Raises:
        RequestError: that has another shape, or is no tensor.
    """
    other: object = change(index, x.clone())
    if other is None:
        return x
    if not isinstance(other, Tensor) or other.shape != x.shape:
        given = tuple(other.shape) if isinstance(other, Tensor) else type(other).__name__
        raise RequestError(
            f"change gave {given} after step {index}; must be the latent, {tuple(x.shape)}, or None"
        )
    return other.to(x)


def guide(rows: Float[Tensor, "2 c h w"], scale: float) -> Float[Tensor, "1 c h w"]:
    """Classifier-free guidance of the rows (negative, prompt).

    Source: Ho & Salimans, arXiv:2207.12598, equation 6, with `scale` = 1 + w.
    """
    negative, prompt = rows.chunk(2)
    return negative + scale * (prompt - negative)


def guide_edit(rows: Float[Tensor, "3 c h w"], scale: float, image_scale: float) -> Float[Tensor, "1 c h w"]:
    """Guidance towards image and prompt of the rows (negative, no image), (negative, image), (prompt, image).

    Source: Brooks et al., arXiv:2211.09800, equation 3.
    """
    nothing, image, prompt = rows.chunk(3)
    return nothing + image_scale * (image - nothing) + scale * (prompt - image)


def rescale(
    guided: Float[Tensor, "1 c h w"], prompt: Float[Tensor, "1 c h w"], phi: float
) -> Float[Tensor, "1 c h w"]:
    """Takes a guided prediction part of the way, `phi`, to the standard deviation of the prompt's own.

    Source: Lin et al., arXiv:2305.08891, equations 15 and 16.
    """
    rescaled = guided * (prompt.std() / guided.std())
    return phi * rescaled + (1 - phi) * guided
