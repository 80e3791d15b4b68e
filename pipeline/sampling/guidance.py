"""How the predictions for several prompts of one picture become one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


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
