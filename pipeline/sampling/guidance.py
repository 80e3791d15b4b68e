"""Guidance: which rows a prediction has, and what is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Role = Literal["negative", "pag", "seg", "prompt"]  # the purpose of a row; see `Guidance`


@dataclass(frozen=True, slots=True, kw_only=True)
class Guidance:
    """Which rows the U-Net is asked for at each prediction, and what is made of them.

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
