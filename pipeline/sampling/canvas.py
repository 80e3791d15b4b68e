"""What a picture is drawn on: noise, an image, or an image with a mask."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Where sampling begins, and what stays of it.

    Attributes:
        noise: of the seed, float32.
        clean: latent of the image that is drawn over; None where only noise is.
        strength: the part of the steps that are taken.
        mask: 1 where the latent is drawn anew, 0 where it is led back to `clean` after each step; None draws
            everywhere.
        beside: channels that the U-Net takes beside the latent.
    """

    noise: Float[Tensor, "1 c h w"]
    clean: Float[Tensor, "1 c h w"] | None = None
    strength: float = 1.0
    mask: Float[Tensor, "1 1 h w"] | None = None
    beside: Float[Tensor, "1 e h w"] | None = None

    def begin(self, scheduler: Any, timesteps: Tensor) -> Float[Tensor, "1 c h w"]:
        """The latent at the first timestep.

        Source: Meng et al., arXiv:2108.01073, algorithm 1; at strength 1 a mask begins from noise alone.
        """
        if self.clean is None or (self.mask is not None and self.strength == 1):
            return self.noise * scheduler.init_noise_sigma
        return scheduler.add_noise(self.clean, self.noise, timesteps[:1])

    def keep(self, latent: Float[Tensor, "1 c h w"], scheduler: Any, following: Tensor) -> Tensor:
        """The latent after a step, led back to the image where the mask says so.

        Args:
            following: the timesteps that are still to come.

        Source: Lugmayr et al., arXiv:2201.09865, equation 8.
        """
        if self.mask is None or self.clean is None:
            return latent
        known = scheduler.add_noise(self.clean, self.noise, following[:1]) if len(following) else self.clean
        return (1 - self.mask) * known + self.mask * latent
