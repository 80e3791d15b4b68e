"""The firm hand: the latent is led to where the maps of painted words lie in their places.

Source: Chen, Laina & Vedaldi 2023, arXiv:2304.03373, section 3.3, "backward guidance", with the share of a
map in its place as in equation 3.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention import AttentionRuntime, Backend, ContextRows, RowGroup, plan
from limelight.attention.recording.probe import Probed, ProbeRecorder
from limelight.pipeline.errors import NonFinitePrediction
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.steering import Painted
from limelight.pipeline.sampling.coverage import coverage
from limelight.pipeline.text.encoder import Conditioning, words_of
from limelight.unet import UNet

UPDATES = 3  # of the latent, before each of the steps in which it is led
RATE = 10.0
SIDE = 16  # positions along the shorter side of the maps that layout is read from
_FAULT = (
    "NaN or infinity in the gradient that leads a painted word; nothing is saved: paint by the loose hand"
)
HALF_SCALE = 2.0**10  # a loss in float16 is multiplied by it, or its gradient would underflow


@dataclass(frozen=True, slots=True)
class Leading:
    """How a firm hand changes the latent before a prediction.

    Attributes:
        updates: how many times.
        rate: what the gradient is multiplied by.
        until: the fraction of the predictions after which the latent is left alone.
    """

    updates: int
    rate: float
    until: float


@dataclass(frozen=True, slots=True)
class Led:
    """A word's tokens and its place.

    Attributes:
        is_wanted: whether the word is led into its place, or out of it.
    """

    painted: Painted
    tokens: tuple[int, ...]

    @property
    def is_wanted(self) -> bool:
        return self.painted.strength >= 1

    def loss(self, maps: Float[Tensor, "m h w"]) -> Float[Tensor, ""]:
        """How far the share of the word's map in its place is from 1, or from 0."""
        grid = (maps.shape[1], maps.shape[2])
        word = maps[list(self.tokens)].sum(0)
        inside = (word * coverage(self.painted, grid).to(word)).sum() / word.sum()
        return (1 - inside if self.is_wanted else inside).square()


@dataclass(frozen=True, slots=True)
class FirmHand:
    """The words of a request that lead its latent."""

    words: tuple[Led, ...]

    @classmethod
    def of(cls, request: GenerationRequest, prompt: Conditioning) -> "FirmHand | None":
        """The firm hand of a request; None if it paints no word with it."""
        firm = [each for each in request.paint if each.is_firm]
        if not firm:
            return None
        words = words_of(request.prompt, prompt.tokens)
        return cls(tuple(Led(each, tuple(tokens_of(words, each.word, None))) for each in firm))

    def acting(self, progress: float) -> "FirmHand":
        """Those of its words that still lead, after this fraction of the predictions."""
        return FirmHand(tuple(each for each in self.words if progress < each.painted.until))

    def loss(self, maps: Float[Tensor, "m h w"]) -> Float[Tensor, ""]:
        return torch.stack([word.loss(maps) for word in self.words]).sum()


def probed_sites(unet: UNet, height: int, width: int) -> list[str]:
    """The cross-attention sites whose grid is nearest to `SIDE`, for a latent of this size."""
    cross = [site for site in unet.sites if site.kind == "cross"]

    def distance(side: int) -> float:
        return abs(log(side / SIDE))

    sides = {site.name: min(site.grid(height, width)) for site in cross}
    nearest = min(sides.values(), key=distance)
    return [name for name, side in sides.items() if side == nearest]


def differentiable(groups: ContextRows, sites: Sequence[str]) -> list[RowGroup]:
    """Contexts that a backward pass may keep: copies, since those of a cache are made for inference alone."""
    found = []
    for group in groups:
        copies = {site: tuple(x.clone() for x in group.at(site)) for site in sites}
        found.append(RowGroup(lambda site, copies=copies: copies[site], group.rows))  # type: ignore[misc]
    return found


def gradients(
    model: Model,
    x: Float[Tensor, "b i h w"],
    arguments: Mapping[str, Tensor | None],
    hands: Sequence[FirmHand],
    attention: AttentionRuntime,
) -> list[Tensor | NonFinitePrediction]:
    """The gradient of each row's loss by its own x, 1 i h w, or an error if it is not finite.

    Args:
        arguments: of the U-Net, but for x and its context.
        attention: with context and steering of the rows.
    """
    unet = model.unet
    sites = probed_sites(unet, x.shape[2], x.shape[3])
    cross = [site.name for site in unet.sites if site.kind == "cross"]
    recorder, scale = ProbeRecorder(sites), HALF_SCALE if x.dtype == torch.float16 else 1.0
    assert attention.context is not None  # its caller has put them in
    with torch.inference_mode(False), torch.enable_grad():
        leaf = x.clone().requires_grad_()
        kept = {name: None if value is None else value.clone() for name, value in arguments.items()}
        context = differentiable(attention.context, cross)
        backends = _backends(unet, x, max(group.at(cross[0])[0].shape[2] for group in context))
        runtime = replace(attention, plan=backends, recorder=recorder, means=None, context=context)
        with suppress(Probed):
            unet(leaf, kept.pop("timesteps"), None, attention=runtime, **kept)
        grid = next(site for site in unet.sites if site.name == sites[0]).grid(*x.shape[2:])
        losses = [
            hand.loss(
                torch.stack([recorder.maps[site][row] for site in sites]).mean(0).mT.unflatten(-1, grid)
            )
            for row, hand in enumerate(hands)
        ]
        (found,) = torch.autograd.grad(scale * torch.stack(losses).sum(), leaf)
    return [
        each if bool(each.isfinite().all()) else NonFinitePrediction(_FAULT)
        for each in (found.float() / scale).split(1)
    ]


def _backends(unet: UNet, x: Tensor, num_tokens: int) -> dict[str, Backend]:
    """Backends that have a backward pass; those chosen for pictures need not have one."""
    specs = unet.attention_specs(x.shape[2], x.shape[3], num_tokens, batch=len(x))
    with_grad = {site: replace(spec, needs_grad=True) for site, spec in specs.items()}
    chosen = plan(with_grad, {site.name: site.kind for site in unet.sites})
    return {site: choice.backend for site, choice in chosen.items()}
