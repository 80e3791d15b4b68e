"""From noise to a picture's latent: a coroutine that asks for its predictions.

Symbols: x noisy latent, denoised the clean latent that a prediction points at. The scheduler is diffusers';
it keeps sigma and makes the step.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.sampling.firm import Leading

# The purpose of a row, see `Guidance`; the first two are those of a picture that an edit keeps.
Role = Literal["base negative", "base", "negative", "pag", "seg", "prompt"]


@dataclass(frozen=True, slots=True)
class PredictionRequest:
    """The U-Net's inputs for the next prediction.

    Attributes:
        x: r i h w, the noisy latent as the scheduler scales it, with the model's extra channels.
        roles: what each row is for; the last is the prompt's.
        timestep: scalar.
        wants_gradient: whether to send the gradient by x of the firm hand's loss, for the one row, in place
            of a prediction; it does not count as a prediction.
        denoised: 1 c h w, the clean latent that the last prediction pointed at; before the first of a pass
            that of the image, None where there is none.
    """

    x: Tensor
    roles: Sequence[Role]
    timestep: Tensor
    denoised: Tensor | None
    wants_gradient: bool = False


Change = Callable[[int, Tensor], Tensor | None]  # a step of a pass, and the latent after it
ChangeOf = Callable[[int, int, Tensor], Tensor | None]  # the request's number comes first
# Is sent predictions r c h w, or a gradient 1 i h w; returns 1 c h w.
Trajectory = Generator[PredictionRequest, Tensor, Tensor]


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
    """Which rows the U-Net computes for each prediction, and how they are combined.

    The prompt's row is the last. Before it come those for the negative prompt, then the prompt's with another
    self-attention.

    Attributes:
        scale: 1 or below is no guidance by a negative prompt.
        image_scale: of a model that edits images; None for all others.
        perturbed: role -> scale of the guidance away from the prompt's row of that role.
        start, end: fractions of the predictions between which the negative prompt guides.
    """

    scale: float
    image_scale: float | None = None
    perturbed: Mapping[Role, float] = field(default_factory=dict)
    phi: float = 0.0
    start: float = 0.0
    end: float = 1.0

    def acts(self, index: int, count: int) -> bool:
        return self.scale > 1 and round(self.start * count) <= index < round(self.end * count)

    def roles(self, *, acts: bool) -> list[Role]:
        """What the rows of a prediction are for."""
        negative: list[Role] = ["negative"] * (0 if not acts else 1 if self.image_scale is None else 2)
        return [*negative, *self.perturbed, "prompt"]

    def rows(
        self, x: Float[Tensor, "1 c h w"], extra: Float[Tensor, "1 e h w"] | None, roles: Sequence[Role]
    ) -> Float[Tensor, "r i h w"]:
        """The U-Net's input rows, with the channels that it takes after the latent's."""
        row = x if extra is None else torch.cat((x, extra), dim=1)
        rows = row.repeat(len(roles), 1, 1, 1)
        if extra is not None and roles.count("negative") == 2:
            rows[0, x.shape[1] :] = 0  # the first has no image
        return rows

    def combine(self, rows: Float[Tensor, "r c h w"], roles: Sequence[Role]) -> Float[Tensor, "1 c h w"]:
        """One prediction from those of the rows.

        Source: Ahn et al. 2024, arXiv:2403.17377, equation 15, and Hong 2024, arXiv:2408.00760, equation 12:
        the prompt's row is led away from itself with a perturbed self-attention.
        """
        prompt = rows[-1:]
        negative = rows[: roles.count("negative")]
        if len(rows) == 1:
            return prompt
        guided = prompt
        if len(negative) == 1:
            guided = guide(torch.cat((negative, prompt)), self.scale)
        elif len(negative) == 2 and self.image_scale is not None:
            guided = guide_edit(torch.cat((negative, prompt)), self.scale, self.image_scale)
        for row, role in zip(rows.split(1), roles, strict=True):
            if role in self.perturbed:
                guided = guided + self.perturbed[role] * (prompt - row)
        return rescale(guided, prompt, self.phi) if self.phi else guided


def sample(
    canvas: Canvas,
    steps: Pass,
    *,
    guidance: Guidance,
    generator: torch.Generator,
    eta: float = 0.0,
    leading: Leading | None = None,
    change: Change | None = None,
) -> Trajectory:
    """Asks for the prediction at each timestep, and returns the latent after the last.

    Args:
        generator: what a stochastic scheduler draws from.
        eta: noise that DDIM's and TCD's schedulers add.
        leading: how the firm hand changes the latent; None for no change.
        change: is called with each step, from 0, and the latent after it, and may give another.
    """
    scheduler, timesteps, denoised = steps.scheduler, steps.timesteps, canvas.clean
    accepted = signature(scheduler.step).parameters
    options = {name: value for name, value in (("generator", generator), ("eta", eta)) if name in accepted}
    x = canvas.begin(scheduler, timesteps)
    for i, timestep in enumerate(timesteps):
        x_in = scheduler.scale_model_input(x, timestep)
        if leading is not None and i / len(timesteps) < leading.until and _is_first_order(scheduler):
            for _ in range(leading.updates):
                row = guidance.rows(x_in, canvas.extra, ["prompt"])
                gradient = yield PredictionRequest(row, ["prompt"], timestep, denoised, wants_gradient=True)
                # The rate is that of the latent as the U-Net sees it, whatever the scheduler's own scale.
                scale = scheduler.scale_model_input(torch.ones_like(x), timestep)
                x = x - leading.rate * gradient[:, : x.shape[1]].to(x) / scale
                x_in = scheduler.scale_model_input(x, timestep)
        roles = guidance.roles(acts=guidance.acts(i, len(timesteps)))
        rows = yield PredictionRequest(guidance.rows(x_in, canvas.extra, roles), roles, timestep, denoised)
        prediction = guidance.combine(rows.float(), roles)
        denoised = denoise(scheduler, x, prediction, timestep)
        x = scheduler.step(prediction, timestep, x, **options, return_dict=False)[0]
        x = canvas.keep(x, scheduler, timesteps[i + 1 :])
        if change is not None:
            x = changed(change, i, x)
    return x


def changed(change: Change, index: int, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
    """The latent after a step, or its replacement by the callback.

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


def _is_first_order(scheduler: Any) -> bool:
    """Whether a scheduler begins a step; in the middle of one of second order the latent is not its own."""
    return bool(getattr(scheduler, "state_in_first_order", True))


def denoise(scheduler: Any, x: Tensor, prediction: Tensor, timestep: Tensor) -> Tensor:
    """The clean latent that a prediction points at, before the scheduler's step.

    Args:
        scheduler: set to its steps, and `scale_model_input` has been called.
        x: 1 c h w, the noisy latent as the scheduler holds it, not scaled.

    Source: Ho et al., arXiv:2006.11239, equation 4; Salimans & Ho, arXiv:2202.00512, appendix D for v;
    Karras et al., arXiv:2206.00364, equation 7 for EDM's.
    """
    if hasattr(scheduler, "precondition_outputs"):  # EDM's
        sigma = scheduler.sigmas[scheduler.step_index].to(x.device)
        return scheduler.precondition_outputs(x, prediction, sigma)
    kind = scheduler.config.get("prediction_type", "v_prediction")
    alpha, sigma = (part.to(x.device) for part in _signal_and_noise(scheduler, timestep))
    x_in = scheduler.scale_model_input(x, timestep)
    if kind == "sample":
        return prediction
    if kind == "v_prediction":
        return alpha * x_in - sigma * prediction
    return (x_in - sigma * prediction) / alpha.clamp(min=2.0**-12)


def _signal_and_noise(scheduler: Any, timestep: Tensor) -> tuple[Tensor, Tensor]:
    """The square roots of alpha-bar and of 1 - alpha-bar at a timestep."""
    if not hasattr(scheduler, "alphas_cumprod"):  # IPNDM has them for its own steps, by sine and cosine
        index = scheduler.step_index
        index = scheduler.index_for_timestep(timestep) if index is None else index
        return scheduler.alphas[index], scheduler.betas[index]
    alpha_bar = torch.as_tensor(scheduler.alphas_cumprod)[timestep.long().cpu()]
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


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
