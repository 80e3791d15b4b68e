"""An edit of the words: a picture that looks where another one looks, as far as their prompts agree.

Source: Hertz et al. 2022, arXiv:2208.01626, section 3.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention.steering import Lend, Steering
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.sampler import Role, Trajectory
from limelight.pipeline.text.align import Alignment

# Self-attention is kept on grids of at most a quarter of the latent's sides, or of at most `FEW` positions a
# side: finer ones hold what things look like, and not where they stand.
COARSE, FEW = 4, 8


class Editing:
    """What an edit's rows take from those of the picture that it keeps.

    Args:
        request: resolved.
        factors: of each token of the edit's prompt; None is 1.
    """

    def __init__(
        self,
        request: GenerationRequest,
        model: Model,
        alignment: Alignment,
        factors: Float[Tensor, " m"] | None = None,
    ) -> None:
        assert request.width and request.height, "the request is not resolved"
        _, *size = model.latent_shape(request.height, request.width)
        own = [site for site in model.unet.sites if site.kind == "self"]
        most = max(min(size) // COARSE, FEW)
        coarse = [site.name for site in own if min(site.grid(*size)) <= most]
        self._sites = frozenset(coarse)
        cross, self._own = request.keep
        # What is added needs a place of its own, which the kept attention gives to other words: the judge
        # sees 8 of 8 things and not 5. With a blend, other things could not make room.
        self._cross = cross**2 if alignment.only_adds and not request.blend_words else cross
        values, rest = alignment.tokens, 1 - alignment.share
        if factors is not None:
            values, rest = values * factors, rest * factors
        self._values, self._rest = values.to(model.unet.device), rest.to(model.unet.device)
        self._factors = None if factors is None else factors.to(model.unet.device)
        self._steering = cache(self._lending)  # what a steering keeps of one step is for the next

    def rows(
        self, roles: Sequence[Role], progress: float, maps: HeatMaps | None = None
    ) -> list[Steering | None]:
        """The steering of each row of a prediction.

        Args:
            progress: the fraction of the pass's predictions that are made.
        """
        if "prompt" not in roles:  # an image is inverted
            return [None] * len(roles)
        keeps_cross, keeps_self = progress < self._cross, progress < self._own
        if not keeps_cross and not keeps_self:
            own = None if self._factors is None else Steering(tokens=self._factors)
            return [own if role == "prompt" else None for role in roles]
        base = list(roles).index("base") - list(roles).index("prompt")
        steering = self._steering(base, keeps_cross, keeps_self)
        return [steering if role == "prompt" else None for role in roles]

    def _lending(self, base: int, keeps_cross: bool, keeps_self: bool) -> Steering:
        keeps_own = keeps_cross and bool(self._rest.any())
        lend = Lend(
            row=base,
            values=self._values if keeps_cross else None,
            keeps_own=keeps_own,
            sites=self._sites if keeps_self else frozenset(),
        )
        return Steering(lend=lend, tokens=self._rest if keeps_own else self._factors)


def paired(base: Trajectory, edit: Trajectory) -> Trajectory:
    """Joins two trajectories of the same steps, so that their predictions come from one call in which the
    rows of the base are first. Returns both latents, 2 c h w."""
    roles: dict[Role, Role] = {"negative": "base negative", "prompt": "base"}
    asked = [next(base), next(edit)]
    latents: list[Tensor] = []
    while not latents:
        first, second = asked
        rows = yield replace(
            second,
            x=torch.cat((first.x, second.x)),
            roles=[*(roles[role] for role in first.roles), *second.roles],
        )
        parts = rows.split([len(first.x), len(second.x)])
        for i, (trajectory, part) in enumerate(zip((base, edit), parts, strict=True)):
            try:
                asked[i] = trajectory.send(part)
            except StopIteration as finished:
                latents.append(finished.value)
    return torch.cat(latents)
